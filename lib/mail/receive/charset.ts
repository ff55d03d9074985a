/** Text whose charset is not said, or said wrongly: what systems in Taiwan send without a word is UTF-8 or Big5. */
import { isUtf8 } from "node:buffer";
import { Transform } from "node:stream";

/** Names that say nothing: much calls itself so that is none of it. */
const saysNothing: ReadonlySet<string> = new Set([
  "",
  "ascii",
  "usascii",
  "utf8",
  "unknown",
  "unknown8bit",
  "8bit",
  "binary",
]);

/** Whether the bytes of a text have to tell their charset themselves. */
export function isUnsaid(charset: string | false | undefined): boolean {
  return saysNothing.has((charset || "").toLowerCase().replaceAll(/[^a-z\d]/g, ""));
}

/** Makes UTF-8 of text in a charset; `known` decodes those that mailparser knows, and throws for others. */
export function decoderOf(charset: string, known: (charset: string) => Transform): Transform {
  // mailparser takes it for little-endian whatever its mark says.
  if (/^utf-?16$/i.test(charset)) return new WholeText((bytes) => Buffer.from(utf16(bytes)));
  try {
    return known(charset);
  } catch {
    return new WholeText(inUtf8);
  }
}

/** Text whose charset its bytes have to tell, in UTF-8. */
export function inUtf8(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(guess(bytes));
}

/**
 * A header line in "binary", one character for each byte: with what its bytes beyond ASCII mean in encoded words
 * (RFC 2047). mailparser would take some of those bytes for white space, and some for backslashes.
 */
export function encodedHeader(line: string): string {
  if (!/[\u0080-\u00ff]/.test(line)) return line.replaceAll(words, relabelled);
  const text = guess(Buffer.from(line, "latin1"));
  // From the first of them to the last: white space between two encoded words is none.
  return text.replaceAll(/[\u0080-\u{10ffff}](?:[\s\u0080-\u{10ffff}]*[\u0080-\u{10ffff}])?/gu, (run) =>
    encodedWord(run.replaceAll(/\s+/g, " ")),
  );
}

const word = String.raw`=\?(?:utf-8|us-ascii)(?:\*[\w-]*)?\?[bq]\?[^?\s]*\?=`;
/** Encoded words one after the other: a character may begin in one and end in the next. */
const words = new RegExp(`${word}(?:\\s+${word})*`, "gi");

/** Encoded words whose bytes are not what they say. */
function relabelled(run: string): string {
  const bytes = Buffer.concat(
    [...run.matchAll(/\?([bq])\?([^?\s]*)\?=/gi)].map(([, kind, text]) => bytesOf(kind, text)),
  );
  return isUtf8(bytes) || !isBig5(bytes) ? run : encodedWord(guess(bytes));
}

function bytesOf(kind = "", text = ""): Buffer {
  if (kind.toLowerCase() === "b") return Buffer.from(text, "base64");
  const plain = text.replaceAll("_", " ").replaceAll(/=([\da-f]{2})/gi, (_whole, digits: string) => {
    return String.fromCharCode(Number.parseInt(digits, 16));
  });
  return Buffer.from(plain, "latin1");
}

function isBig5(bytes: Buffer): boolean {
  try {
    new TextDecoder("big5", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;
}

/** UTF-8 where it is that, else Big5. */
function guess(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString("utf8") : new TextDecoder("big5").decode(bytes);
}

function utf16(bytes: Buffer): string {
  const isBigEndian = bytes[0] === 0xfe && bytes[1] === 0xff;
  return new TextDecoder(isBigEndian ? "utf-16be" : "utf-16le").decode(bytes);
}

/** Decodes a text once all of it is here. */
export class WholeText extends Transform {
  readonly #pieces: Buffer[] = [];
  readonly #decode: (bytes: Buffer) => Buffer;

  constructor(decode: (bytes: Buffer) => Buffer) {
    super();
    this.#decode = decode;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pieces.push(piece);
    done();
  }

  override _flush(done: (error: null, text: Buffer) => void): void {
    const [first = Buffer.alloc(0)] = this.#pieces;
    done(null, this.#decode(this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : first));
  }
}
