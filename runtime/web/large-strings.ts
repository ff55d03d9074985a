/** Takes the large strings out of a JSON text while it comes; what is left of it is small, and is parsed as ever. */
import { randomUUID } from "node:crypto";
import { heapLimit } from "../heap.ts";
import type { StringSink } from "../http.ts";
import { problems } from "../problem.ts";
import { backslash, quote, StringDecoder } from "./json-string.ts";
import type { TextBuffer } from "./text-buffer.ts";

export interface LargeStringOptions {
  /** The property whose strings may be large. */
  key: string;
  /** Bytes between its quotes that stay in the text. */
  over: number;
  open: () => StringSink;
}

const colon = 0x3a;

/**
 * Most values in one text. Each takes some 60 bytes of V8's heap, and more where it becomes something else: of a heap limited
 * to 112 MB, as the image's is, they may take a quarter.
 */
const mostValues = Math.min(2_000_000, Math.floor(heapLimit / 640));

/** What begins another value, outside of strings. */
const beginsValue = new Uint8Array(256);
for (const character of ",[{") beginsValue[character.charCodeAt(0)] = 1;

/** A string that is going to its sink. */
interface Streamed {
  sink: StringSink;
  decoder: StringDecoder;
}

/**
 * Looks at nothing but strings, and what stands between one and the next: whether the whole is JSON is found when the
 * rest is parsed. In place of a large string, the rest gets a name that nobody can foresee.
 */
export class LargeStrings {
  readonly #key: Buffer;
  readonly #over: number;
  readonly #open: () => StringSink;
  readonly #rest: TextBuffer;
  readonly #secret = randomUUID();
  readonly #sinks = new Map<string, StringSink>();
  /** What came since the last string. The key and a colon make what follows its value. */
  #gap: "nothing" | "colon" | "other" = "other";
  #lastIsKey = false;
  #values = 1;
  #inString = false;
  /** The next byte of the string belongs to an escape. */
  #escaped = false;
  /** The string is a value of the key. */
  #isValue = false;
  /** Where the string begins in the rest, after its quote. */
  #start = 0;
  #streamed: Streamed | undefined;

  constructor({ key, over, open }: LargeStringOptions, rest: TextBuffer) {
    this.#key = Buffer.from(key);
    this.#over = over;
    this.#open = open;
    this.#rest = rest;
  }

  /** What took a large string, by its name in the rest. */
  find(name: string): StringSink | undefined {
    return this.#sinks.get(name);
  }

  sinks(): StringSink[] {
    return [...this.#sinks.values()];
  }

  /** Takes the next bytes of the text. Resolves when they have been dealt with. Throws `invalid_json`, and `request_too_large` for too many values. */
  async feed(chunk: Buffer): Promise<void> {
    const ends = new StringEnds(chunk);
    let at = 0;
    /** From here on the bytes have still to go to the rest: as they are, and as many as possible at once. */
    let pending = 0;
    /** Where the string begins in this chunk. */
    let begin = -1;
    while (at < chunk.length) {
      if (!this.#inString) {
        const found = indexOf(chunk, quote, at);
        this.#passGap(chunk, at, found);
        if (found === chunk.length) break;
        at = found + 1;
        begin = at;
        this.#inString = true;
        this.#isValue = this.#lastIsKey && this.#gap === "colon";
        if (!this.#isValue) continue;
        await this.#rest.append(chunk.subarray(pending, at));
        pending = at;
        this.#start = this.#rest.length;
        continue;
      }
      const end = ends.find(at, this.#escaped);
      this.#escaped = ends.escaped;
      if (this.#isValue) {
        await this.#takeValue(chunk.subarray(at, end));
        pending = end;
      }
      at = end + 1;
      if (end === chunk.length) break;
      if (this.#streamed) await this.#endStream(this.#streamed);
      else if (begin >= 0) this.#lastIsKey = this.#isKey(chunk.subarray(begin, end));
      else {
        await this.#rest.append(chunk.subarray(pending, end));
        pending = end;
        this.#lastIsKey = this.#isKey(this.#rest.from(this.#start));
      }
      this.#inString = false;
      this.#gap = "nothing";
    }
    await this.#rest.append(chunk.subarray(pending));
    if (this.#inString && !this.#isValue && begin >= 0) this.#start = this.#rest.length - (chunk.length - begin);
  }

  #passGap(chunk: Buffer, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
      this.#gap = byte === colon && this.#gap === "nothing" ? "colon" : "other";
      this.#values += beginsValue[byte] ?? 0;
    }
    if (this.#values > mostValues)
      throw problems.requestTooLarge({ message: `The request body has more than ${mostValues} values` });
  }

  /** A piece of a value: to the rest, until it is too much for it. */
  async #takeValue(piece: Buffer): Promise<void> {
    if (!this.#streamed) {
      const sofar = this.#rest.from(this.#start);
      if (sofar.length + piece.length <= this.#over) return await this.#rest.append(piece);
      const name = `${this.#secret}.${this.#sinks.size}`;
      this.#streamed = { sink: this.#open(), decoder: new StringDecoder() };
      this.#sinks.set(name, this.#streamed.sink);
      await this.#stream(this.#streamed, sofar);
      this.#rest.truncate(this.#start);
      await this.#rest.append(Buffer.from(name));
    }
    await this.#stream(this.#streamed, piece);
  }

  async #stream({ sink, decoder }: Streamed, piece: Buffer): Promise<void> {
    const decoded = decoder.decode(piece);
    if (decoded.length > 0) await sink.write(decoded);
  }

  async #endStream({ sink, decoder }: Streamed): Promise<void> {
    this.#streamed = undefined;
    const last = decoder.end();
    if (last.length > 0) await sink.write(last);
    await sink.end();
  }

  /** A key, too, may be written with escapes. */
  #isKey(raw: Buffer): boolean {
    if (raw.length < this.#key.length || raw.length > this.#key.length * 6) return false;
    if (!raw.includes(backslash)) return raw.equals(this.#key);
    try {
      return JSON.parse(`"${raw.toString()}"`) === this.#key.toString();
    } catch {
      return false;
    }
  }
}

/** Finds where strings end in a chunk. Each backslash is looked for once, however many strings there are. */
class StringEnds {
  /** The chunk ends within an escape. */
  escaped = false;
  readonly #chunk: Buffer;
  #backslash = -1;

  constructor(chunk: Buffer) {
    this.#chunk = chunk;
  }

  /** The closing quote of the string whose next byte is at `start`, or the chunk's length when there is none. */
  find(start: number, escaped: boolean): number {
    let from = escaped ? start + 1 : start;
    let end = indexOf(this.#chunk, quote, from);
    for (;;) {
      if (this.#backslash < from) this.#backslash = indexOf(this.#chunk, backslash, from);
      if (this.#backslash >= end) break;
      from = this.#backslash + 2;
      if (end < from) end = indexOf(this.#chunk, quote, from);
    }
    this.escaped = from > this.#chunk.length;
    return end;
  }
}

/** Where a byte comes next; the chunk's length when it does not. What is near is found faster without Node's own `indexOf`. */
function indexOf(chunk: Buffer, byte: number, from: number): number {
  const near = Math.min(from + 24, chunk.length);
  for (let at = from; at < near; at++) if (chunk[at] === byte) return at;
  const found = chunk.indexOf(byte, near);
  return found < 0 ? chunk.length : found;
}
