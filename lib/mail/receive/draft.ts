/** A received message as a draft. Pure. */
import type { Envelope } from "../../../runtime/smtp.ts";
import { parseAddress, type Address } from "../address.ts";
import type { Draft } from "../draft.ts";
import { storedNames, type DraftAttachment } from "../draft-attachment.ts";
import { attachmentTooLarge } from "../problems.ts";
import { contentIdsIn, filenameOf, isPlainId, typeOf } from "./attachment.ts";
import { keptHeaders, recipientsIn, senderOf, subjectOf } from "./headers.ts";
import type { ParsedMessage } from "./parse.ts";

type Parts = Omit<ParsedMessage, typeof Symbol.asyncDispose>;

/**
 * Makes a draft. Who gets it is for the envelope alone to say; the headers tell where each of them is shown, and who is
 * shown nowhere is bcc. Throws `invalid_request` for a message without a sender, and `attachment_too_large`.
 */
export function receivedDraft(envelope: Envelope, message: Parts, maxAttachmentBytes: number): Draft {
  const { headers, headerLines } = message;
  const html = plainText(message.html);
  return {
    from: senderOf(
      headers,
      headerLines.map(({ key }) => key),
      envelope.from,
    ),
    ...recipients(envelope, message),
    replyTo: recipientsIn(headers, "reply-to"),
    headers: keptHeaders(headerLines),
    subject: subjectOf(headers),
    text: plainText(message.text),
    html,
    attachments: attachments(message, html, maxAttachmentBytes),
    metadata: undefined,
    sendAt: undefined,
  };
}

function recipients(envelope: Envelope, { headers }: Parts): Pick<Draft, "to" | "cc" | "bcc"> {
  const left = new Map<string, Address>();
  for (const address of envelope.to) {
    const parsed = parseAddress(address);
    // What is none has been refused at RCPT TO.
    if (typeof parsed !== "string") left.set(parsed.address.toLowerCase(), parsed);
  }
  const shown = (name: "to" | "cc") =>
    recipientsIn(headers, name).flatMap(({ address, name: displayName }) => {
      const key = address.toLowerCase();
      const recipient = left.get(key);
      left.delete(key);
      return recipient ? [{ ...recipient, name: displayName }] : [];
    });
  const [to, cc] = [shown("to"), shown("cc")];
  return { to, cc, bcc: [...left.values()] };
}

function attachments(message: Parts, html: string | undefined, maxBytes: number): DraftAttachment[] {
  const names = storedNames();
  const mayBeShown = message.attachments.some(({ contentId }) => contentId !== undefined);
  const shown = contentIdsIn(mayBeShown ? html : undefined);
  return message.attachments.map(({ headers, contentType, contentId, content }, index) => {
    const filename = filenameOf(headers, contentType, index + 1);
    if (content.sizeBytes > maxBytes) {
      throw attachmentTooLarge({
        message: `An attachment exceeds the maximum size of ${Math.round(maxBytes / 2 ** 20)} MB`,
      });
    }
    const isShown = contentId !== undefined && shown.has(contentId) && isPlainId(contentId);
    return {
      filename,
      storedAs: names.take(filename),
      contentType: typeOf(headers, contentType),
      ...(isShown && { contentId }),
      content,
    };
  });
}

/** As it is stored: with LF, and without NUL, which PostgreSQL does not take. Undefined for nothing. */
function plainText(text: string | undefined): string | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const lines = text.includes("\r") ? text.replaceAll(/\r\n?/g, "\n") : text;
  return (lines.includes("\0") ? lines.replaceAll("\0", "") : lines).toWellFormed();
}
