/** A mail as nodemailer takes it. Its files are read while the message is written. */
import type { Readable } from "node:stream";
import type { SendMailOptions } from "nodemailer";
import type { OutgoingMail, StoredAttachment } from "../mail/mail.ts";

/** What of a file is said in a message. */
export type Described = Pick<StoredAttachment, "filename" | "contentType" | "contentId">;

export interface MessageParts<File extends Described> {
  /** After the @ of its Message-ID. */
  domain: string;
  files: readonly File[];
  /** Where nodemailer finds a file: by its absolute path, or as a stream. */
  source: (file: File) => { path: string } | { content: Readable };
}

/**
 * The message of a mail, the same at each attempt: by its Message-ID a copy too many is known as one. Who gets it as
 * bcc is in none of its headers.
 */
export function messageOf<File extends Described>(
  mail: OutgoingMail,
  { domain, files, source }: MessageParts<File>,
): SendMailOptions {
  const named = (address: string) => ({ address, name: mail.names[address] ?? "" });
  return {
    messageId: `<${mail.id}@${domain}>`,
    date: mail.createdAt,
    from: named(mail.from),
    to: mail.to.map(named),
    cc: mail.cc.map(named),
    ...(mail.replyTo && { replyTo: mail.replyTo.map(named) }),
    ...(mail.headers && { headers: { ...mail.headers } }),
    subject: mail.subject,
    ...(mail.text !== undefined && { text: mail.text }),
    ...(mail.html !== undefined && { html: mail.html }),
    attachments: files.map((file) => ({
      filename: file.filename,
      ...source(file),
      ...(file.contentType !== undefined && { contentType: safeType(file.contentType) }),
      ...(file.contentId !== undefined && { cid: file.contentId, contentDisposition: "inline" as const }),
    })),
    disableUrlAccess: true,
  };
}

/**
 * A message in a message may not be encoded (RFC 2046, section 5.2.1), so it would travel as it is: with line ends that
 * SMTP does not have, and whatever was smuggled in them. As a file it arrives byte for byte.
 */
function safeType(contentType: string): string {
  return /^message\//i.test(contentType) ? "application/octet-stream" : contentType;
}
