/**
 * Content-Transfer-Encodings of RFC 2045, as forgiving as mail programs are, in time that grows with the content alone:
 * mailparser's own decoder of quoted-printable takes a minute for 200 KB of blanks.
 */
import { Transform } from "node:stream";

const [TAB, LF, CR, SPACE, EQUALS] = [9, 10, 13, 32, 61];

/** How much may be left undecided at the end of a piece, in bytes: a line has 76. */
const longestRest = 1000;

type Done = (error: null, bytes: Buffer) => void;

export class QuotedPrintableDecoder extends Transform {
  #rest: Buffer = Buffer.alloc(0);

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: Done): void {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece;
    const end = decidedEnd(input);
    this.#rest = input.subarray(end);
    done(null, decodeQuotedPrintable(input.subarray(0, end), false));
  }

  override _flush(done: Done): void {
    done(null, decodeQuotedPrintable(this.#rest, true));
  }
}

/** Takes what is none of its 64 characters for nothing; what follows padding begins anew. */
export class Base64Decoder extends Transform {
  #rest = "";

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: Done): void {
    const text = this.#rest + piece.toString("latin1").replaceAll(/[^A-Za-z\d+/=]+/g, "");
    const groups = text.match(/[^=]+=*/g) ?? [];
    const last = groups.at(-1)?.endsWith("=") ? "" : (groups.pop() ?? "");
    const whole = last.length - (last.length % 4);
    this.#rest = last.slice(whole);
    done(null, Buffer.concat([...groups, last.slice(0, whole)].map((group) => Buffer.from(group, "base64"))));
  }

  override _flush(done: Done): void {
    done(null, Buffer.from(this.#rest, "base64"));
  }
}

/** All of a content at once, into one buffer: of padding alone there may be millions. */
export function decodeBase64(content: Buffer): Buffer {
  const text = content.toString("latin1").replaceAll(/[^A-Za-z\d+/=]+/g, "");
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (const { 0: group } of text.matchAll(/[^=]+=*/g)) length += out.write(group, length, "base64");
  return out.subarray(0, length);
}

/** Where the part of a piece begins that only the next one decides: blanks at its end, and half of an escape. */
function decidedEnd(input: Buffer): number {
  let end = input.length;
  if (input[end - 1] === CR) end--;
  while (isBlank(input[end - 1])) end--;
  if (end === input.length && hexOf(input[end - 1]) >= 0 && input[end - 2] === EQUALS) end--;
  if (input[end - 1] === EQUALS) end--;
  return input.length - end > longestRest ? input.length : end;
}

export function decodeQuotedPrintable(input: Buffer, isLast = true): Buffer {
  const out = Buffer.allocUnsafe(input.length);
  let length = 0;
  for (let at = 0; at < input.length;) {
    const byte = input[at] ?? 0;
    const blanks = byte === EQUALS || isBlank(byte) ? endOfBlanks(input, at + 1) : at;
    if (byte === EQUALS) {
      const [high, low] = [hexOf(input[at + 1]), hexOf(input[at + 2])];
      if (high >= 0 && low >= 0) {
        out[length++] = 16 * high + low;
        at += 3;
        continue;
      }
      const next = lineEnd(input, blanks);
      if (next > blanks || (isLast && blanks === input.length)) {
        at = next; // A soft line break.
        continue;
      }
    } else if (isBlank(byte)) {
      // At the end of a line they are not of the text (rule 3).
      const isPadding = lineEnd(input, blanks) > blanks || (isLast && blanks === input.length);
      if (!isPadding) length += input.copy(out, length, at, blanks);
      at = blanks;
      continue;
    }
    out[length++] = byte;
    at++;
  }
  return out.subarray(0, length);
}

function endOfBlanks(input: Buffer, from: number): number {
  let end = from;
  while (isBlank(input[end])) end++;
  return end;
}

/** What follows a line end that is here; this place itself when none is. */
function lineEnd(input: Buffer, at: number): number {
  if (input[at] === LF) return at + 1;
  return input[at] === CR && input[at + 1] === LF ? at + 2 : at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** -1 for what is no digit. */
function hexOf(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = (byte | 32) - 97;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}
