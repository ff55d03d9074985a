/**
 * Content-Transfer-Encodings of RFC 2045, as forgiving as mail programs are, in time that grows with the content alone:
 * mailparser's own decoder of quoted-printable takes a minute for 200 KB of blanks.
 */

/** Decodes a content piece by piece; a piece is good until the next one comes, and what is made of it stays. */
export interface Decoder {
  decode(piece: Buffer): Buffer;
  /** What is left when no more comes. */
  end(): Buffer;
}

/** The decoder of an encoding, in whatever the header says besides; undefined for content that is as it is. */
export function contentDecoder(encoding: string | false): Decoder | undefined {
  const [name] = /base64|quoted-printable/.exec(encoding || "") ?? [];
  if (name === undefined) return undefined;
  return name === "base64" ? new Base64Decoder() : new QuotedPrintableDecoder();
}

const [TAB, LF, CR, SPACE, EQUALS] = [9, 10, 13, 32, 61];

/** How much may be left undecided at the end of a piece, in bytes: a line has 76. */
const longestRest = 1000;

export class QuotedPrintableDecoder implements Decoder {
  #rest: Buffer = Buffer.alloc(0);

  decode(piece: Buffer): Buffer {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece;
    const end = decidedEnd(input);
    this.#rest = Buffer.from(input.subarray(end));
    return decodeQuotedPrintable(input.subarray(0, end), false);
  }

  end(): Buffer {
    return decodeQuotedPrintable(this.#rest, true);
  }
}

/** Takes what is none of its 64 characters for nothing; what follows padding begins anew. */
export class Base64Decoder implements Decoder {
  #rest = "";

  decode(piece: Buffer): Buffer {
    const text = this.#rest + piece.toString("latin1");
    const end = text.lastIndexOf("\n") + 1;
    const decoded = end > 0 ? decodeLines(text.slice(0, end)) : undefined;
    if (!decoded) return this.#decodeAny(text);
    this.#rest = text.slice(end);
    return decoded;
  }

  end(): Buffer {
    return Buffer.concat([this.#decodeAny(this.#rest), Buffer.from(this.#rest, "base64")]);
  }

  /** Leaves less than a group of four characters. */
  #decodeAny(text: string): Buffer {
    const plain = text.replaceAll(/[^A-Za-z\d+/=]+/g, "");
    // Into one buffer: of padding alone there may be millions.
    const out = Buffer.allocUnsafe(plain.length);
    let length = 0;
    this.#rest = "";
    for (const { 0: group, index } of plain.matchAll(/[^=]+=*/g)) {
      const isOpen = index + group.length === plain.length && !group.endsWith("=");
      const whole = isOpen ? group.length - (group.length % 4) : group.length;
      length += out.write(group.slice(0, whole), length, "base64");
      this.#rest = group.slice(whole);
    }
    return out.subarray(0, length);
  }
}

/** Lines as they should be, of nothing but groups of four characters, many times as fast; undefined for others. */
function decodeLines(text: string): Buffer | undefined {
  let characters = text.length;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) characters -= 2;
  // Node takes two of these for characters of base64 as well.
  if (characters % 4 !== 0 || ["-", "_", "="].some((one) => text.includes(one))) return undefined;
  const out = Buffer.allocUnsafe((characters / 4) * 3);
  return out.write(text, "base64") === out.length ? out : undefined;
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
  /** Without the blanks that are last: at the end of a line they are not of the text (rule 3). */
  let solid = 0;
  for (let at = 0; at < input.length; at++) {
    const byte = input[at] ?? 0;
    if (byte === SPACE || byte === TAB) {
      out[length++] = byte;
      continue;
    }
    if (byte === LF || (byte === CR && input[at + 1] === LF)) length = solid;
    if (byte !== EQUALS) {
      out[length++] = byte;
    } else {
      const [high, low] = [hexOf(input[at + 1]), hexOf(input[at + 2])];
      if (high >= 0 && low >= 0) {
        out[length++] = 16 * high + low;
        at += 2;
      } else {
        const next = afterSoftBreak(input, at + 1, isLast);
        if (next > 0) at = next - 1;
        else out[length++] = byte;
      }
    }
    solid = length;
  }
  return out.subarray(0, isLast ? solid : length);
}

/** What follows the line end that is here, but for blanks; 0 when none is. */
function afterSoftBreak(input: Buffer, from: number, isLast: boolean): number {
  let at = from;
  while (isBlank(input[at])) at++;
  if (input[at] === LF) return at + 1;
  if (input[at] === CR && input[at + 1] === LF) return at + 2;
  return isLast && at === input.length ? at : 0;
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
