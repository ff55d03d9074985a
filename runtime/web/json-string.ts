/** The inside of a JSON string (RFC 8259, section 7) as it comes in pieces: escapes undone, into UTF-8. */
import { isAscii } from "node:buffer";
import { problems } from "../problem.ts";

export const quote = 0x22;
export const backslash = 0x5c;

const plainEscapes: Readonly<Record<string, number>> = {
  '"': 0x22,
  "\\": 0x5c,
  "/": 0x2f,
  b: 0x08,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
};

/** The byte that an escape stands for, by the letter after the backslash; 0 where there is none. */
const escapes = new Uint8Array(256);
for (const [letter, byte] of Object.entries(plainEscapes)) escapes[letter.charCodeAt(0)] = byte;

const letterU = 0x75;

/** Throws `invalid_json` for a control character, an unknown escape, and bytes that are not UTF-8. */
export class StringDecoder {
  /** How far an escape is read: nothing, the backslash, or so many of the letters after `\u` and one. */
  #escape = 0;
  #unit = 0;
  /** The first half of a pair, until its second half comes. */
  #high = 0;
  #utf8: TextDecoder | undefined;
  #out = Buffer.allocUnsafe(0);
  #length = 0;

  /** Undoes the escapes in bytes that have no closing quote. The result is good until the next call. */
  decode(piece: Buffer): Buffer {
    this.#check(piece);
    if (this.#escape === 0 && this.#high === 0 && !piece.includes(backslash)) return piece;
    // An escape is longer than what it stands for, but for half a pair that its other half never follows.
    if (this.#out.length < piece.length + 8) this.#out = Buffer.allocUnsafe(piece.length + 8);
    this.#length = 0;
    for (let at = 0; at < piece.length;) {
      if (this.#escape > 0) {
        this.#escaped(piece[at++] ?? 0);
        continue;
      }
      if (piece[at] === backslash) {
        this.#escape = 1;
        at++;
        continue;
      }
      if (this.#high > 0) this.#lone();
      at = this.#copy(piece, at);
    }
    return this.#out.subarray(0, this.#length);
  }

  /** Copies up to the next backslash, and returns where that is. */
  #copy(piece: Buffer, start: number): number {
    const out = this.#out;
    let length = this.#length;
    let at = start;
    for (; at < piece.length; at++) {
      const byte = piece[at] ?? 0;
      if (byte === backslash) break;
      out[length++] = byte;
    }
    this.#length = length;
    return at;
  }

  /** Ends the string; returns what was still open. */
  end(): Buffer {
    if (this.#escape > 0) throw problems.invalidJson();
    this.#decodeUtf8();
    this.#length = 0;
    if (this.#out.length < 8) this.#out = Buffer.allocUnsafe(8);
    if (this.#high > 0) this.#lone();
    return this.#out.subarray(0, this.#length);
  }

  #escaped(byte: number): void {
    if (this.#escape === 1) {
      if (byte === letterU) {
        this.#escape = 2;
        this.#unit = 0;
        return;
      }
      const plain = escapes[byte] ?? 0;
      if (plain === 0) throw problems.invalidJson();
      if (this.#high > 0) this.#lone();
      this.#out[this.#length++] = plain;
      this.#escape = 0;
      return;
    }
    this.#unit = this.#unit * 16 + hexDigit(byte);
    if (++this.#escape < 6) return;
    this.#escape = 0;
    this.#take(this.#unit);
  }

  /** One UTF-16 unit. */
  #take(unit: number): void {
    const isLow = unit >= 0xdc00 && unit < 0xe000;
    if (this.#high > 0 && isLow) {
      this.#write(0x10000 + ((this.#high - 0xd800) << 10) + (unit - 0xdc00));
      this.#high = 0;
      return;
    }
    if (this.#high > 0) this.#lone();
    if (unit >= 0xd800 && unit < 0xdc00) this.#high = unit;
    else this.#write(isLow ? 0xfffd : unit);
  }

  /** UTF-8 has no halves of pairs: as everywhere on the web, the replacement character stands for one. */
  #lone(): void {
    this.#high = 0;
    this.#write(0xfffd);
  }

  #write(codePoint: number): void {
    if (codePoint < 0x80) this.#out[this.#length++] = codePoint;
    else this.#length += this.#out.write(String.fromCodePoint(codePoint), this.#length);
  }

  #check(piece: Buffer): void {
    for (let at = 0; at < piece.length; at++) {
      if ((piece[at] ?? 0) < 0x20) throw problems.invalidJson();
    }
    if (this.#utf8 || !isAscii(piece)) this.#decodeUtf8(piece);
  }

  #decodeUtf8(piece?: Buffer): void {
    if (piece) this.#utf8 ??= new TextDecoder("utf-8", { fatal: true });
    try {
      this.#utf8?.decode(piece, { stream: piece !== undefined });
    } catch (cause) {
      throw problems.invalidJson({ message: "The body is not UTF-8 text", cause });
    }
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x66) return lower - 0x57;
  throw problems.invalidJson();
}
