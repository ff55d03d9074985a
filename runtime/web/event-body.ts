/** Server-sent events as the bytes of an answer. */
import { Readable } from "node:stream";
import type { ServerEvent } from "../events.ts";

export interface EventBodyOptions {
  /** Aborted when the stream is to end though its client is there. */
  ending: AbortSignal;
  /** Called once the stream is over, whoever ended it: nobody waits for another event. */
  over(): void;
  /** Called when the events fail, or cannot be sent. */
  failed(error: unknown): void;
}

/** nginx holds a stream back unless it is told not to. */
export const eventHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/** How often a stream is given a sign of life, in milliseconds: proxies close what is silent (HAProxy: 30 to 60 s). */
const beatMs = 15_000;

/** A comment, which clients pass over. The first one makes the headers leave at once. */
const comment = ":\n\n";

/** Asks for the next event when there is room for it. Closed once the iterator has returned: no code of it runs then. */
export class EventBody extends Readable {
  readonly #iterator: AsyncIterator<ServerEvent>;
  readonly #options: EventBodyOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #end = () => this.#finish();
  #isAsking = false;
  #isOver = false;

  constructor(events: AsyncIterable<ServerEvent>, options: EventBodyOptions) {
    super();
    this.#iterator = events[Symbol.asyncIterator]();
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), beatMs).unref();
    this.push(comment);
    if (options.ending.aborted) this.#finish();
    else options.ending.addEventListener("abort", this.#end);
  }

  override _read(): void {
    if (!this.#isAsking && !this.#isOver) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    try {
      const { done, value } = await this.#iterator.next();
      this.#isAsking = false;
      if (this.#isOver) return;
      if (done) this.#finish();
      else this.push(encode(value));
    } catch (error) {
      // When nobody waits for it, a stream may well end by its signal's reason.
      if (this.#isOver) return;
      this.#options.failed(error);
      this.destroy(error instanceof Error ? error : new Error("The events failed", { cause: error }));
    }
  }

  #beat(): void {
    if (!this.#isOver && this.readableLength === 0) this.push(comment);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#leave();
    this.push(null);
  }

  #leave(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#options.ending.removeEventListener("abort", this.#end);
    this.#options.over();
  }

  override _destroy(error: Error | null, closed: (error?: Error | null) => void): void {
    if (!this.#isOver) this.#leave();
    void this.#return(() => closed(error));
  }

  async #return(closed: () => void): Promise<void> {
    try {
      await this.#iterator.return?.();
    } catch (error) {
      this.#options.failed(error);
    }
    closed();
  }
}

function encode({ event, id, data }: ServerEvent): string {
  return `${field("event", event)}${field("id", id)}data: ${JSON.stringify(data)}\n\n`;
}

function field(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  if (/[\r\n\0]/.test(value)) throw new Error(`The ${name} of an event must be one line`);
  return `${name}: ${value}\n`;
}
