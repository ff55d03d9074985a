/** A mail as nodemailer takes it. Its files are read from disk while the message is written. */
import type { SendMailOptions } from "nodemailer";
import type { OutgoingMail } from "../mail/mail.ts";

/**
 * The message of a mail, the same at each attempt: by its Message-ID a copy too many is known as one. Who gets it as
 * bcc is in none of its headers. `pathOf` gives the absolute path of a stored file.
 */
export function messageOf(mail: OutgoingMail, domain: string, pathOf: (path: string) => string): SendMailOptions {
  const named = (address: string) => ({ address, name: mail.names[address] ?? "" });
  return {
    messageId: `<${mail.id}@${domain}>`,
    date: mail.createdAt,
    from: named(mail.from),
    to: mail.to.map(named),
    cc: mail.cc.map(named),
    subject: mail.subject,
    ...(mail.text !== undefined && { text: mail.text }),
    ...(mail.html !== undefined && { html: mail.html }),
    attachments: mail.attachments.map(({ filename, contentType, path }) => ({
      filename,
      path: pathOf(path),
      ...(contentType !== undefined && { contentType }),
    })),
    disableUrlAccess: true,
  };
}
