/** The sandbox: keeps every mail as a file in the local inbox, where any mail program opens it. */
import { createTransport } from "nodemailer";
import type { Sender } from "./sender.ts";

export const sandbox: Sender = {
  name: "sandbox",
  async send(mail, { inbox, attachments }) {
    const named = (address: string) => ({ address, name: mail.names[address] ?? "" });
    const composer = createTransport({ streamTransport: true, buffer: true, newline: "unix" });
    const { message } = await composer.sendMail({
      messageId: `<${mail.id}@sandbox>`,
      date: mail.createdAt,
      from: named(mail.from),
      to: mail.to.map(named),
      cc: mail.cc.map(named),
      // A real provider shows nobody the bcc; here it is all there is to see who would have got the mail.
      headers: mail.bcc.length > 0 ? { "X-Sandbox-Bcc": mail.bcc.join(", ") } : {},
      subject: mail.subject,
      ...(mail.text !== undefined && { text: mail.text }),
      ...(mail.html !== undefined && { html: mail.html }),
      attachments: mail.attachments.map(({ filename, contentType, path }) => ({
        filename,
        path: attachments.resolve(path),
        ...(contentType !== undefined && { contentType }),
      })),
      disableUrlAccess: true,
    });
    await inbox.keep(`${mail.id}.${mail.attempt}`, message as Buffer);
    return { kind: "response", status: 202 };
  },
};
