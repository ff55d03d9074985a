/** Mail that has to wait, in the log: an outage makes many refusals, and is one thing to know. */
import type { Logger } from "../context.ts";
import type { Problem } from "../problem.ts";

/** From one line to the next, in milliseconds. */
const everyMs = 60_000;

export class PutOff {
  #nextAt = -Infinity;
  #untold = 0;

  /** Writes a line a minute at most, which says for how many refusals it stands. */
  tell(log: Logger, problem: Problem, reply: number, now = performance.now()): void {
    this.#untold++;
    if (now < this.#nextAt) return;
    const { code, message, cause } = problem;
    // An error of several attempts to connect has no text of its own.
    const reason = (cause instanceof Error && cause.message) || message;
    log.warn(
      { code, reply, reason, refusals: this.#untold },
      "mail is put off: a service that it needs is away, or all are busy",
    );
    this.#nextAt = now + everyMs;
    this.#untold = 0;
  }
}
