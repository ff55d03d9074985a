/** A mail in Graph's own form. */
import type { OutgoingMail } from "../../mail/mail.ts";
import type { Described } from "../message.ts";

/**
 * A request is to stay below 4 MB (https://learn.microsoft.com/graph/api/user-sendmail); which megabyte is meant is not
 * said.
 */
export const largestRequest = 4_000_000;

export const anyType = "application/octet-stream";

/** https://learn.microsoft.com/graph/api/resources/message; one body, of which html says more than text. */
export function jsonMessage(mail: OutgoingMail): object {
  const { id, from, to, cc, bcc, replyTo = [], names, subject, text, html } = mail;
  const recipient = (address: string) => ({
    emailAddress: { address, ...(names[address] !== undefined && { name: names[address] }) },
  });
  return {
    subject,
    body: html === undefined ? { contentType: "text", content: text ?? "" } : { contentType: "html", content: html },
    // Without it the mailbox's own name is shown.
    ...(names[from] !== undefined && { from: recipient(from) }),
    toRecipients: to.map(recipient),
    ...(cc.length > 0 && { ccRecipients: cc.map(recipient) }),
    ...(bcc.length > 0 && { bccRecipients: bcc.map(recipient) }),
    ...(replyTo.length > 0 && { replyTo: replyTo.map(recipient) }),
    internetMessageHeaders: [{ name: "x-mail-id", value: id }],
  };
}

/** https://learn.microsoft.com/graph/api/resources/fileattachment, without its content. */
export function jsonAttachment({ filename: name, contentType = anyType, contentId }: Described): object {
  return { "@odata.type": "#microsoft.graph.fileAttachment", name, contentType, ...inline(contentId) };
}

/** What makes a picture of the html of an attachment. */
export function inline(contentId: string | undefined): { isInline?: true; contentId?: string } {
  return contentId === undefined ? {} : { isInline: true, contentId };
}

/** An object's JSON, ready for one more member of it. */
export function openJson(object: object): string {
  const json = JSON.stringify(object);
  return json === "{}" ? "{" : `${json.slice(0, -1)},`;
}
