/** A mail in MIME, in base64 as Graph takes it. */
import type { Readable } from "node:stream";
import { createTransport } from "nodemailer";
import type { OutgoingMail } from "../../mail/mail.ts";
import { base64Length } from "../../resources/file-content.ts";
import type { PostBody } from "../../resources/http-post.ts";
import { messageOf, type Described } from "../message.ts";
import { domainOf } from "../route.ts";

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
  const contents: Readable[] = [];
  const source = (file: MimeFile) => {
    const content = file.open();
    contents.push(content);
    return { content };
  };
  const options = {
    ...messageOf(mail, { domain: domainOf(mail.from), files, source }),
    // The same each time that it is composed.
    baseBoundary: mail.id,
    bcc: mail.bcc.map((address) => ({ address, name: mail.names[address] ?? "" })),
    headers: { ...mail.headers, "x-mail-id": mail.id },
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
