/** The text of a part that is shown, from its bytes. */
import { guess } from "./charset.ts";
import type { TextDecoding } from "./decodings.ts";
import { TextBytes, type Flow } from "./text-bytes.ts";

const [LF, ESCAPE, SPACE] = [10, 27, 32];
const sliceBytes = 64 * 1024;

export interface TextForm {
  /** Undefined where the bytes have to tell their charset themselves. */
  decoding: TextDecoding | undefined;
  flow: Flow;
}

/** `most` is what the content may come to, in bytes. */
export async function textOf(
  content: AsyncIterable<Buffer>,
  { decoding, flow }: TextForm,
  most: number,
): Promise<string> {
  if (decoding && !flow) return await decoded(content, decoding, most);
  using bytes = new TextBytes(flow, most);
  for await (const piece of content) bytes.add(piece);
  return decoding ? await decoded(slices(bytes.end()), decoding, most) : guess(bytes.end());
}

async function decoded(
  content: AsyncIterable<Buffer> | Iterable<Buffer>,
  decoding: TextDecoding,
  most: number,
): Promise<string> {
  using utf8 = new TextBytes(undefined, most);
  const add = (bytes: Buffer) => utf8.add(Buffer.from(decoding.decode(bytes)));
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of content) {
    const end = endOfWords(piece);
    add(Buffer.concat([rest, piece.subarray(0, end)]));
    rest = Buffer.from(piece.subarray(end));
  }
  add(rest);
  utf8.add(Buffer.from(decoding.end()));
  return utf8.end().toString();
}

/** Where a piece is best cut: characters that come in two pieces do not come out of some decoders as they should. */
function endOfWords(piece: Buffer): number {
  const last = Math.max(piece.lastIndexOf(LF), piece.lastIndexOf(SPACE));
  if (last >= 0) return last + 1;
  const escape = piece.lastIndexOf(ESCAPE);
  return escape > 0 ? escape : piece.length;
}

/** Pieces as they come elsewhere: what decodes them is to take no long turn. */
function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}
