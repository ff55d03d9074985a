/** The sandbox: keeps every mail as a file in the local inbox, where any mail program opens it. */
import { Readable } from "node:stream";
import { createTransport } from "nodemailer";
import { messageOf } from "./message.ts";
import type { Sender } from "./sender.ts";

export const sandbox: Sender = {
  name: "sandbox",
  async send(mail, { inbox, attachments }) {
    const composer = createTransport({ streamTransport: true, newline: "unix" });
    const { message } = await composer.sendMail({
      ...messageOf(mail, {
        domain: "sandbox",
        files: mail.attachments,
        source: ({ path }) => ({ path: attachments.resolve(path) }),
      }),
      // A real provider shows nobody the bcc; here it is all there is to see who would have got the mail.
      headers: { ...mail.headers, ...(mail.bcc.length > 0 && { "X-Sandbox-Bcc": mail.bcc.join(", ") }) },
    });
    if (!(message instanceof Readable)) throw new Error("The message is no stream");
    await inbox.keep(`${mail.id}.${mail.attempt}`, message);
    return { kind: "response", status: 202 };
  },
};
