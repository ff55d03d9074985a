/** Refused PROXY headers, in the log: one proxy that is not set up makes many, and is one thing to mend. */
import type { Logger } from "../context.ts";

/** From one line to the next, in milliseconds. */
const everyMs = 60_000;

export class RefusedHeaders {
  count = 0;
  #nextAt = -Infinity;
  #told = 0;

  /** Writes a line a minute at most, which says for how many refusals it stands. */
  tell(log: Logger, ip: string, reason: string, now = performance.now()): void {
    this.count++;
    if (now < this.#nextAt) return;
    log.warn({ ip, reason, refusals: this.count - this.#told }, "a connection was refused for its PROXY header");
    this.#nextAt = now + everyMs;
    this.#told = this.count;
  }
}
