/** The bytes of a text as they come: with LF for CRLF, and without soft line breaks where there are such. */

const [LF, CR, SPACE, HYPHEN] = [10, 13, 32, 45];
const nothing: Buffer = Buffer.alloc(0);

/** RFC 3676: undefined for a text with none; `delSp` where the space before a soft line break is not of the text. */
export type Flow = { delSp: boolean } | undefined;

/** A text that begins with such a piece, in bytes, will go on, and gets room for all of it at once. */
const longPiece = 16 * 1024;

/**
 * Room for large texts, one after the other: there are few at a time, and for every mail of a megabyte there is a
 * megabyte less to collect.
 */
const spare: Buffer[] = [];
const [mostSpare, largeText, roomBytes] = [2, 128 * 1024, 2 * 2 ** 20];

/** In one place: in pieces that are put together in the end, they would be there twice. */
export class TextBytes implements Disposable {
  readonly #flow: Flow;
  readonly #most: number;
  #bytes = nothing;
  #length = 0;
  /** Where the last paragraph begins. */
  #paragraph = 0;

  /** `most` is what it may come to, in bytes, as far as is known. */
  constructor(flow: Flow, most = 0) {
    this.#flow = flow;
    this.#most = most;
  }

  add(piece: Buffer): void {
    this.#makeRoom(piece.length);
    // A line end that comes in two pieces.
    if (piece[0] === LF && this.#length > 0 && this.#bytes[this.#length - 1] === CR) this.#length--;
    const start = this.#length;
    piece.copy(this.#bytes, start);
    this.#length += withoutCr(this.#bytes.subarray(start, start + piece.length));
    if (this.#flow) this.#joinLines(start, this.#flow);
  }

  /** All of it; no copy, good until this is disposed of, and nothing can be added after. */
  end(): Buffer {
    if (!this.#flow) return this.#bytes.subarray(0, this.#length);
    // What is empty after the last line end is no line.
    if (this.#length > 0 && this.#paragraph === this.#length) this.#length--;
    return withoutStuffing(this.#bytes.subarray(0, this.#length));
  }

  [Symbol.dispose](): void {
    if (this.#bytes.length === roomBytes && spare.length < mostSpare) spare.push(this.#bytes);
    this.#bytes = nothing;
    this.#length = 0;
  }

  #makeRoom(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger =
      this.#length === 0 ? this.#firstRoom(more) : Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, needed));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  #firstRoom(bytes: number): Buffer {
    if (bytes < longPiece || bytes > roomBytes) return Buffer.allocUnsafe(bytes);
    if (this.#most <= largeText) return Buffer.allocUnsafe(Math.max(this.#most, bytes));
    return spare.pop() ?? Buffer.allocUnsafe(roomBytes);
  }

  /** Takes soft line breaks out of what is new, in its place: mailparser makes a string of each line. */
  #joinLines(from: number, { delSp }: { delSp: boolean }): void {
    const bytes = this.#bytes;
    let start = this.#paragraph;
    let length = from;
    for (let at = from; at < this.#length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte !== LF) {
        bytes[length++] = byte;
      } else if (!isSoft(bytes, start, length)) {
        bytes[length++] = byte;
        start = length;
      } else if (delSp) {
        length--;
      }
    }
    this.#paragraph = start;
    this.#length = length;
  }
}

/** What a short line is, in bytes, and how many of them are gone through by a call for each. */
const [shortLine, mostCalls] = [32, 64];

/** Makes LF of CRLF in its place, and returns how long the text is then. */
function withoutCr(text: Buffer): number {
  let length = 0;
  let from = 0;
  let short = 0;
  let at = text.indexOf(CR);
  for (; at >= 0 && short < mostCalls; at = text.indexOf(CR, at + 1)) {
    if (text[at + 1] !== LF) continue;
    if (at - from < shortLine) short++;
    text.copyWithin(length, from, at);
    length += at - from;
    from = at + 1;
  }
  if (at < 0) {
    text.copyWithin(length, from);
    return length + text.length - from;
  }
  for (at = from; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (byte !== CR || text[at + 1] !== LF) text[length++] = byte;
  }
  return length;
}

/** Whether the line break after this paragraph is soft: after a space, unless it is the line before a signature. */
function isSoft(text: Buffer, start: number, end: number): boolean {
  if (end === start || text[end - 1] !== SPACE) return false;
  return end - start !== 3 || text[start] !== HYPHEN || text[start + 1] !== HYPHEN;
}

/** Takes the space away that a line begins with. */
function withoutStuffing(text: Buffer): Buffer {
  let length = 0;
  let last: number | undefined = LF;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (byte !== SPACE || (last !== LF && last !== CR)) text[length++] = byte;
    last = byte;
  }
  return text.subarray(0, length);
}
