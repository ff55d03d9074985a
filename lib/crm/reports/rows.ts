/** The rows of a section, with a look ahead. */
import { setImmediate } from "node:timers/promises";
import type { Row, Section, WriteOptions } from "./report.ts";

/** After so many rows others get a turn, and progress is told. */
const turnRows = 1_000;

/** Counts the rows of a whole report. Throws, between two rows, once its signal is aborted. */
export class RowCount {
  #rows = 0;
  readonly #options: WriteOptions;

  constructor(options: WriteOptions) {
    this.#options = options;
  }

  async add(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (++this.#rows % turnRows !== 0) return;
    this.#options.progress?.(this.#rows);
    await setImmediate();
  }

  end(): void {
    this.#options.signal?.throwIfAborted();
    this.#options.progress?.(this.#rows);
  }
}

/** Reads rows one by one; whoever makes it closes it. */
export class Rows {
  readonly #source: AsyncIterator<Row> | Iterator<Row>;
  readonly #count: RowCount;
  #ahead: Row[] = [];
  #hasEnded = false;

  constructor({ rows }: Section, count: RowCount) {
    this.#source = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
    this.#count = count;
  }

  /** The next rows, up to `most`, which stay to be taken. */
  async peek(most: number): Promise<readonly Row[]> {
    for (let row; this.#ahead.length < most && (row = await this.#read()) !== undefined;) this.#ahead.push(row);
    return this.#ahead.slice(0, most);
  }

  /** Undefined at the end. */
  async take(): Promise<Row | undefined> {
    const row = this.#ahead.shift() ?? (await this.#read());
    if (row !== undefined) await this.#count.add();
    return row;
  }

  async close(): Promise<void> {
    if (!this.#hasEnded) await this.#source.return?.();
    this.#hasEnded = true;
  }

  async #read(): Promise<Row | undefined> {
    if (this.#hasEnded) return undefined;
    const { done, value } = await this.#source.next();
    if (!done) return value;
    this.#hasEnded = true;
    return undefined;
  }
}
