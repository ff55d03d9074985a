/**
 * Splits a message into its parts, by mailparser's splitter, which is asked about heads and boundaries only: it makes an
 * object of every line, and of millions of short ones it made hundreds of megabytes, while everybody else waited.
 */
import { delimitersOf, type SplitChunk, type SplitNode, type Splitter } from "./boundaries.ts";

/** Something of a message: a part begins, or has content, or what stands between parts. */
export type Piece =
  | { type: "node"; node: SplitNode }
  | { type: "body"; bytes: Buffer }
  | { type: "data"; node: SplitNode; bytes: Buffer };

const [LF, CR, SPACE, TAB, HYPHEN] = [10, 13, 32, 9, 45];
const inHead = 1;
/** A line that begins like a boundary is waited for up to this length, in bytes. */
const longestBoundary = 64 * 1024;
const nothing: Buffer = Buffer.alloc(0);

export class Splitting {
  readonly #splitter: Splitter;
  /** Of the last slice, what the next one decides. */
  #rest: Buffer = nothing;
  /** What comes goes on with a line that is no boundary. */
  #isInLine = false;
  #delimiters: Delimiters;
  /** Parts that the splitter has told of by itself: their heads have no end. */
  readonly #nodes: SplitNode[] = [];
  #found: Piece[] = [];

  constructor(splitter: Splitter) {
    this.#splitter = splitter;
    this.#delimiters = new Delimiters(splitter.node);
    splitter.push = (node) => this.#nodes.push(node) > 0;
  }

  /**
   * What this slice of the message has, good as long as the slice is. Throws for what is too long, or too much, for the
   * splitter.
   */
  take(slice: Buffer): Piece[] {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, slice]) : slice;
    this.#rest = nothing;
    for (let at = 0; at < input.length;) {
      at = this.#splitter.state === inHead ? this.#takeHead(input, at) : this.#takeBody(input, at);
    }
    return this.#given();
  }

  /** What is left when no more comes. */
  end(): Piece[] {
    if (this.#splitter.state === inHead || this.#rest.length > 0) this.#tell(this.#process(this.#rest, true));
    return this.#given();
  }

  #given(): Piece[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  /** From the beginning of a line of a head; returns where its part goes on. */
  #takeHead(input: Buffer, from: number): number {
    let start = from;
    for (let end = endOfLine(input, start); end > 0; end = endOfLine(input, start)) {
      const isEmpty = end - start === 1 || (end - start === 2 && input[start] === CR);
      if (isEmpty || (input[start] === HYPHEN && this.#delimitersNow().match(input, start, end))) {
        this.#addHead(input.subarray(from, start), 0);
        this.#tell(this.#process(input.subarray(start, end)));
        this.#isInLine = false;
        return end;
      }
      start = end;
    }
    this.#rest = Buffer.from(input.subarray(start));
    this.#addHead(Buffer.from(input.subarray(from, start)), this.#rest.length);
    return input.length;
  }

  #addHead(lines: Buffer, more: number): void {
    if (lines.length > 0) this.#splitter.node.addHeaderChunk(lines);
    const error = this.#splitter.checkHeadSize(more);
    if (error) throw error;
  }

  /** From anywhere in a body; returns where the next part begins. It looks for boundaries, and never for lines. */
  #takeBody(input: Buffer, from: number): number {
    const { node } = this.#splitter;
    const delimiters = this.#delimitersNow();
    if (delimiters.isEmpty) {
      this.#add(node, input.subarray(from));
      return input.length;
    }
    let start = this.#isInLine ? -1 : delimiters.at(input, from);
    if (start < 0) start = delimiters.after(input, from);
    for (; start >= 0; start = delimiters.after(input, start)) {
      const end = endOfLine(input, start);
      if (end === 0) break;
      if (!delimiters.match(input, start, end)) continue;
      const chunk = this.#process(input.subarray(start, end));
      // No boundary of those that count here.
      if (chunk?.type === "body") continue;
      // The end of the line before belongs to the boundary.
      this.#add(node, input.subarray(from, node.parentNode ? withoutLineEnd(input, from, start) : start));
      this.#tell(chunk);
      this.#isInLine = false;
      return end;
    }
    this.#keepRest(input, from, node);
    return input.length;
  }

  /** Keeps a last line that may become a boundary, and the line end that would then belong to it. */
  #keepRest(input: Buffer, from: number, node: SplitNode): void {
    const start = Math.max(input.lastIndexOf(LF) + 1, from);
    const isLine = start > from || !this.#isInLine;
    const mayBegin = start === input.length || (input[start] === HYPHEN && input.length - start <= longestBoundary);
    let end = input.length;
    if (isLine && mayBegin) {
      end = withoutLineEnd(input, from, start);
      this.#isInLine = start > from;
    } else {
      if (input[end - 1] === CR) end--;
      this.#isInLine = true;
    }
    this.#add(node, input.subarray(from, end));
    this.#rest = Buffer.from(input.subarray(end));
  }

  #delimitersNow(): Delimiters {
    const { node } = this.#splitter;
    if (!this.#delimiters.areOf(node)) this.#delimiters = new Delimiters(node);
    return this.#delimiters;
  }

  #process(line: Buffer, isLast = false): SplitChunk | undefined {
    const chunks: SplitChunk[] = [];
    this.#splitter.processLine(line, isLast, (error, chunk) => {
      if (error) throw error;
      if (chunk) chunks.push(chunk);
    });
    return chunks[0];
  }

  #tell(chunk: SplitChunk | undefined): void {
    for (const node of this.#nodes.splice(0)) this.#found.push({ type: "node", node });
    if (chunk?.type === "node") this.#found.push({ type: "node", node: chunk });
    else if (chunk?.type === "body") this.#found.push({ type: "body", bytes: chunk.value });
    // There may be millions of lines that end what has ended, and nothing is in them.
    else if (chunk && this.#found.at(-1)?.type !== "data") {
      this.#found.push({ type: "data", node: chunk.node, bytes: chunk.value });
    }
  }

  #add(node: SplitNode, bytes: Buffer): void {
    if (bytes.length > 0) this.#found.push(node.multipart ? { type: "data", node, bytes } : { type: "body", bytes });
  }
}

/** How the lines begin that may be boundaries in a part. */
class Delimiters {
  readonly #part: SplitNode;
  /** Which a part has once its head has ended. */
  readonly #own: Buffer | false;
  readonly #all: readonly Buffer[];
  /** A line end, and what all of them begin with: whatever is looked for, the message is gone through once. */
  readonly #needle: Buffer;

  constructor(part: SplitNode) {
    this.#part = part;
    this.#own = part["_boundary"];
    this.#all = delimitersOf(part);
    this.#needle = Buffer.concat([Buffer.of(LF), commonStart(this.#all)]);
  }

  areOf(part: SplitNode): boolean {
    return part === this.#part && part["_boundary"] === this.#own;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** This place, when they may begin here; else -1. */
  at(input: Buffer, start: number): number {
    return begins(input, start, this.#needle.subarray(1)) ? start : -1;
  }

  /** Where the next line begins that begins as they do; else -1. */
  after(input: Buffer, start: number): number {
    return input.indexOf(this.#needle, start) + 1 || -1;
  }

  /** Whether a line is one of them with nothing after it but hyphens and blanks. */
  match(input: Buffer, start: number, end: number): boolean {
    return this.#all.some((delimiter) => {
      if (!begins(input, start, delimiter)) return false;
      for (let at = start + delimiter.length; at < end; at++) if (!mayFollow(input[at])) return false;
      return true;
    });
  }
}

function mayFollow(byte: number | undefined): boolean {
  return byte === HYPHEN || byte === SPACE || byte === TAB || byte === CR || byte === LF;
}

function begins(input: Buffer, start: number, wanted: Buffer): boolean {
  for (let at = 0; at < wanted.length; at++) if (input[start + at] !== wanted[at]) return false;
  return true;
}

function commonStart(all: readonly Buffer[]): Buffer {
  const [first = nothing, ...others] = all;
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && first[same] === other[same]) same++;
    length = same;
  }
  return first.subarray(0, length);
}

/** Where the line after this one begins; 0 when this one has no end. */
function endOfLine(input: Buffer, start: number): number {
  return input.indexOf(LF, start) + 1;
}

/** Where the line end begins that is before a line. */
function withoutLineEnd(input: Buffer, from: number, start: number): number {
  if (start === from) return start;
  return start - 2 >= from && input[start - 2] === CR ? start - 2 : start - 1;
}
