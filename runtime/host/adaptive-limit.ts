/**
 * How many calls may run at once: a limit that follows the load between two bounds, and gives way to trouble.
 *
 * It is TCP's congestion control with calls for segments, as Netflix's concurrency-limits (AIMDLimit) does it:
 * - Slow start (RFC 5681, section 3.1): while nothing is wrong it doubles, so that a backlog has all it may have in a
 *   fraction of a second.
 * - Additive increase, multiplicative decrease: trouble halves it, and for a while after that it grows by one.
 * - One decrease for one congestion (RFC 6582, "recover"): calls that began before a decrease say nothing about it.
 *
 * Unlike TCP it waits for trouble to be the rule. The calls of one function may go to several servers, and all share
 * this limit: one server in trouble must not slow the others down. So it takes three of four recent answers to give
 * way, growth goes on while every second one is good, and in between the limit stays where it is.
 */

export interface Bounds {
  /** What is left in trouble, and what is kept when idle. */
  readonly min: number;
  readonly max: number;
}

/** Weight of one answer in the share of those that asked for ease: about the last eight count. */
const weight = 1 / 8;
const mostIsTrouble = 3 / 4;
const halfIsTrouble = 1 / 2;
/** Milliseconds between two decreases. */
const easeEveryMs = 1000;
/** Milliseconds between two increases: doubling, and by one. */
const doubleEveryMs = 100;
const addEveryMs = 1000;
/** So long after a decrease growth is by one. */
const carefulMs = 30_000;
/** So long after its last use in full the limit drifts back, by one at a time. */
const restAfterMs = 10_000;
const restEveryMs = 1000;

/** Times are in milliseconds, on a clock that never goes back. */
export class AdaptiveLimit {
  readonly #min: number;
  readonly #max: number;
  #limit: number;
  /** Share of recent answers that asked for ease. */
  #trouble = 0;
  #easedAt = -Infinity;
  #grewAt = -Infinity;
  /** When drifting back takes its next step. */
  #restAt: number;

  /** Begins at `start`, brought within the bounds. */
  constructor({ min, max }: Bounds, start = min, now = 0) {
    this.#min = min;
    this.#max = max;
    this.#limit = Math.max(min, Math.min(max, start));
    this.#restAt = now + restAfterMs;
  }

  /** How many may run at once now. */
  at(now: number): number {
    if (now >= this.#restAt) {
      const steps = 1 + Math.floor((now - this.#restAt) / restEveryMs);
      this.#limit = Math.max(this.#min, this.#limit - steps);
      this.#restAt += steps * restEveryMs;
    }
    return this.#limit;
  }

  /** Says that as many run as may, and more wait. Say it again for as long as it is so: each time, the limit may grow. */
  press(now: number): void {
    const limit = this.at(now);
    this.#restAt = now + restAfterMs;
    const careful = now - this.#easedAt < carefulMs;
    if (this.#trouble > halfIsTrouble || now - this.#grewAt < (careful ? addEveryMs : doubleEveryMs)) return;
    this.#limit = Math.min(this.#max, careful ? limit + 1 : limit * 2);
    this.#grewAt = now;
  }

  /** Says how a call ended that began at `begunAt`: whether its server would have less to do. */
  ended(begunAt: number, ease: boolean, now: number): void {
    if (begunAt < this.#easedAt) return;
    this.#trouble += (Number(ease) - this.#trouble) * weight;
    if (!ease || this.#trouble < mostIsTrouble || now - this.#easedAt < easeEveryMs) return;
    this.#limit = Math.max(this.#min, Math.floor(this.at(now) / 2));
    this.#easedAt = this.#grewAt = now;
  }
}
