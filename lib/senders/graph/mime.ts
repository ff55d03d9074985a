/** A mail in MIME, in base64 as Graph takes it. */
import type { Readable } from "node:stream";
import { createTransport } from "nodemailer";
import type { OutgoingMail } from "../../mail/mail.ts";
import { base64Length } from "../../resources/file-content.ts";
import type { PostBody } from "../../resources/http-post.ts";
import { anyType, type Described } from "./message.ts";

export interface MimeFile extends Described {
  open(): Readable;
}

/**
 * Composed twice, to know its length and to be sent, so that the whole is never in memory: that takes ten times its
 * size. Bcc is a header: Graph takes the recipients from there, and hands the mail on without it.
 */
export async function mimeBody(mail: OutgoingMail, files: readonly MimeFile[] = []): Promise<PostBody> {
  let bytes = 0;
  for await (const piece of composed(mail, files)) bytes += piece.length;
  return { length: base64Length(bytes), chunks: () => base64(composed(mail, files)) };
}

async function* composed(mail: OutgoingMail, files: readonly MimeFile[]): AsyncGenerator<Buffer> {
  const named = (address: string) => ({ address, name: mail.names[address] ?? "" });
  const contents: Readable[] = [];
  const options = {
    // The same at each attempt, so that a copy too many is known as one; and the same each time that it is composed.
    messageId: `<${mail.id}@${mail.from.slice(mail.from.lastIndexOf("@") + 1)}>`,
    baseBoundary: mail.id,
    date: mail.createdAt,
    from: named(mail.from),
    to: mail.to.map(named),
    cc: mail.cc.map(named),
    bcc: mail.bcc.map(named),
    subject: mail.subject,
    headers: { "x-mail-id": mail.id },
    ...(mail.text !== undefined && { text: mail.text }),
    ...(mail.html !== undefined && { html: mail.html }),
    attachments: files.map(({ filename, contentType = anyType, open }) => {
      const content = open();
      contents.push(content);
      return { filename, contentType, content };
    }),
    disableUrlAccess: true,
    disableFileAccess: true,
  };
  try {
    // This transport keeps the Bcc header.
    const { message } = await createTransport({ streamTransport: true, newline: "windows" }).sendMail(options);
    if (message instanceof Buffer) yield message;
    else for await (const piece of message) yield Buffer.from(piece);
  } finally {
    // Those that were not read to their end.
    for (const content of contents) content.destroy();
  }
}

async function* base64(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = Buffer.concat([rest, piece]);
    // Three bytes are four characters, so that only the end is padded.
    const whole = bytes.length - (bytes.length % 3);
    rest = bytes.subarray(whole);
    if (whole > 0) yield Buffer.from(bytes.toString("base64", 0, whole), "latin1");
  }
  if (rest.length > 0) yield Buffer.from(rest.toString("base64"), "latin1");
}
