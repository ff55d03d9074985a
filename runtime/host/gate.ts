/** The gate in front of a function: what is over its limit waits here, in order. */
import { AdaptiveLimit, type Bounds } from "./adaptive-limit.ts";

/** How often the limit is told that calls wait, in milliseconds. */
const pressEveryMs = 100;

export class Gate {
  readonly #limit: AdaptiveLimit;
  readonly #waiting: ((entered: boolean) => void)[] = [];
  #running = 0;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  /** `start` is the limit to begin with: another version's, that this one takes over from. */
  constructor(bounds: Bounds, start?: number) {
    this.#limit = new AdaptiveLimit(bounds, start, performance.now());
  }

  get limit(): number {
    return this.#limit.at(performance.now());
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves with true when the call may run, and must then `leave`; with false when the gate has been closed. */
  enter(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push(resolve);
    this.#admit();
    return promise;
  }

  /** Ends a call that began at `begunAt` (`performance.now()`); `ease` when its server would have less to do. */
  leave(begunAt: number, ease: boolean): void {
    this.#running--;
    this.#limit.ended(begunAt, ease, performance.now());
    this.#admit();
  }

  /** Sends away who waits, and lets nobody in any more. Who runs may leave as before. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }

  #admit(): void {
    this.#open();
    if (this.#waiting.length === 0) return;
    this.#limit.press(performance.now());
    this.#open();
    clearTimeout(this.#timer);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#admit(), pressEveryMs).unref();
  }

  #open(): void {
    for (let free = this.limit - this.#running; free > 0; free--) {
      const resolve = this.#waiting.shift();
      if (!resolve) return;
      this.#running++;
      resolve(true);
    }
  }
}
