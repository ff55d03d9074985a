/** A mail in the words of SendGrid's v3 Mail Send API. Pure. */
import type { MailDataRequired } from "@sendgrid/helpers/classes/mail.js";
import type { OutgoingMail } from "../mail/mail.ts";

/** There must be a content, and that must have a character: a mail by SMTP may have none, such as a scanner's. */
const nothing = { type: "text/plain", value: " " };

/**
 * The request for a mail; the contents of its attachments are left out. Empty lists are left out as well: the API
 * refuses an empty `cc`, `bcc` or `attachments`. With `sandbox`, SendGrid checks the mail and delivers nothing.
 */
export function sendgridMail(mail: OutgoingMail, { sandbox }: { sandbox: boolean }): MailDataRequired {
  const { replyTo = [], headers } = mail;
  const texts = [
    ...(mail.text !== undefined ? [{ type: "text/plain", value: mail.text }] : []),
    ...(mail.html !== undefined ? [{ type: "text/html", value: mail.html }] : []),
  ];
  const [first = nothing, ...second] = texts;
  return {
    from: named(mail.from, mail.names[mail.from]),
    personalizations: personalizations(mail),
    subject: mail.subject,
    content: [first, ...second],
    ...(replyTo.length > 0 && { replyToList: replyTo.map((email) => named(email, mail.names[email])) }),
    ...(headers && { headers: { ...headers } }),
    customArgs: { mail_id: mail.id },
    ...(sandbox && { mailSettings: { sandboxMode: { enable: true } } }),
    ...(mail.attachments.length > 0 && {
      attachments: mail.attachments.map(({ filename, contentType, contentId }) => ({
        content: "",
        filename: filename.replaceAll(/[;,\r\n]/g, "_"),
        type: mediaType(contentType),
        ...shown(contentId),
      })),
    }),
  };
}

/** One message for all, which must have a `to`; without any, one for each who is not to see the others. */
function personalizations({ to, cc, bcc, names }: OutgoingMail): MailDataRequired["personalizations"] & object {
  const recipient = (email: string) => named(email, names[email] && withoutSeparators(names[email]));
  if (to.length === 0 && cc.length === 0) return bcc.map((email) => ({ to: [recipient(email)] }));
  const [first, second] = to.length > 0 ? [to, cc] : [cc, to];
  return [
    {
      to: first.map(recipient),
      ...(second.length > 0 && { cc: second.map(recipient) }),
      ...(bcc.length > 0 && { bcc: bcc.map(recipient) }),
    },
  ];
}

function named(email: string, name: string | undefined): { email: string; name?: string } {
  return name ? { email, name } : { email };
}

/**
 * A recipient's name cannot have `;` or `,` (Mail Send, Limitations): the mail would be accepted, and then dropped,
 * because a part of the name is taken for an address.
 */
function withoutSeparators(name: string): string {
  return name.replaceAll(/\s*[;,]\s*/g, " ").trim();
}

/** Without its parameters: a type that has `;`, `,` or CRLF is refused (Mail Send, Errors, attachments.type). */
function mediaType(contentType: string | undefined): string {
  return contentType?.split(/[;,\r\n]/)[0]?.trim() || "application/octet-stream";
}

/** As the API has it: of attachments, @sendgrid/helpers leaves `contentId` as it is. */
function shown(contentId: string | undefined): { disposition: string; content_id?: string } {
  return contentId === undefined ? { disposition: "attachment" } : { disposition: "inline", content_id: contentId };
}
