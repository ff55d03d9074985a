/** Bytes that become a text: they grow as far as the budget lets them. */
import { isUtf8 } from "node:buffer";
import { heapLimit } from "../heap.ts";
import { problems } from "../problem.ts";
import type { MemoryShare } from "./memory-budget.ts";

const firstCapacity = 16 * 1024;

/**
 * Most memory that V8 may need for the text: a byte for each character, or two where not all are ASCII. Values, and what
 * a function makes of them, are in V8's heap several times. Of one limited to 112 MB this is 13 MB: with the functions of
 * the image's API loaded, twice as much ended the process.
 */
const most = heapLimit / 16;

export class TextBuffer {
  #bytes: Buffer<ArrayBuffer> = Buffer.from(new ArrayBuffer(0));
  #length = 0;
  readonly #share: MemoryShare;

  constructor(share: MemoryShare) {
    this.#share = share;
  }

  get length(): number {
    return this.#length;
  }

  /** A promise when memory has to be waited for; the piece must stay as it is meanwhile. Throws `request_too_large`. */
  append(piece: Buffer): Promise<void> | undefined {
    const needed = this.#length + piece.length;
    if (needed > most) throw tooMuchText();
    if (needed <= this.#bytes.length) return void this.#copy(piece);
    const capacity = Math.max(needed, this.#bytes.length * 2, firstCapacity);
    const waiting = this.#share.take(capacity - this.#bytes.length);
    if (waiting) return waiting.then(() => this.#growTo(capacity, piece));
    return this.#growTo(capacity, piece);
  }

  #growTo(capacity: number, piece: Buffer): undefined {
    this.#bytes = resized(this.#bytes, capacity);
    this.#copy(piece);
  }

  #copy(piece: Buffer): void {
    piece.copy(this.#bytes, this.#length);
    this.#length += piece.length;
  }

  /** A view, good until the next change. */
  from(start: number): Buffer {
    return this.#bytes.subarray(start, this.#length);
  }

  truncate(length: number): void {
    this.#length = length;
  }

  clear(): void {
    this.#bytes = resized(this.#bytes, 0);
    this.#length = 0;
  }

  isUtf8(): boolean {
    return isUtf8(this.from(0));
  }

  /** Throws `request_too_large`. */
  toString(): string {
    const text = this.#bytes.toString("utf8", 0, this.#length);
    const isAscii = text.length === this.#length;
    if (!isAscii && text.length * 2 > most) throw tooMuchText();
    return text;
  }
}

function tooMuchText() {
  const megabytes = Math.floor(most / 2 ** 20);
  return problems.requestTooLarge({
    message: `The request body has more than ${megabytes} MB of text (characters count twice where not all are ASCII): send it in parts`,
  });
}

/** What was before is given back at once, and not when the collector of garbage finds it. */
function resized({ buffer }: Buffer<ArrayBuffer>, capacity: number): Buffer<ArrayBuffer> {
  return Buffer.from(buffer.transfer(capacity));
}
