/**
 * What SendGrid refuses, found out before a mail is accepted.
 *
 * Of its documentation (Mail Send: Limitations, Errors; twilio.com/docs/sendgrid/api-reference/mail-send):
 * - the mail is smaller than 30 MB, attachments included: here. It does not say whether their base64 counts; counted is
 *   what the mail says, so that one attachment of the largest size that clients may send can leave
 * - the subject has a character at least: here
 * - the content of an attachment has a character at least: here
 * - at most 1,000 recipients in `to`, `cc` and `bcc`, none of them twice: no draft has more, or one twice
 * - addresses have at most 320 characters, and `from` no Unicode: parsed addresses have at most 254, all of them ASCII
 * - a value of `content` has a character at least, plain text comes first: no draft is without text and html
 * - `custom_args` are less than 10,000 bytes, their values texts: only the mail's id goes there
 * - the names of recipients have no `;` or `,`, names of files and media types no `;`, `,` or CRLF: replaced when sent
 */
import type { Detail } from "../../runtime/problem.ts";
import type { Draft } from "../mail/draft.ts";
import { mailTooLarge } from "../mail/problems.ts";

const largestMail = 30 * 2 ** 20;

/** Faults of a draft, by field. Throws `mail_too_large`. */
export function sendgridRefusals(draft: Draft): Detail[] {
  const { subject, attachments } = draft;
  const faults: Detail[] = attachments.flatMap(({ content }, index) =>
    content.sizeBytes > 0 ? [] : [{ field: `attachments[${index}].content`, message: "must not be empty" }],
  );
  if (subject === "") faults.push({ field: "subject", message: "must not be empty" });
  const bytes = sizeOf(draft);
  if (faults.length > 0 || bytes < largestMail) return faults;
  const message = `make a mail of ${bytes} bytes; SendGrid takes less than ${largestMail}`;
  throw mailTooLarge({ details: [{ field: attachments.length > 0 ? "attachments" : "body", message }] });
}

/** Bytes of a mail's texts and files. */
function sizeOf({ subject, text = "", html = "", attachments }: Draft): number {
  const texts = [subject, text, html].reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  return attachments.reduce((sum, { content }) => sum + content.sizeBytes, texts);
}
