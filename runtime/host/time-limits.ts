/** Time limits of running calls, watched by one timer for all: a timer of its own for each call costs more. */

export interface Limited {
  /** `performance.now()` value after which `expire` is called, once. */
  readonly deadline: number;
  expire(): void;
}

/** How late a limit may be noticed, in milliseconds. */
const granularityMs = 50;

export class TimeLimits {
  readonly #running = new Set<Limited>();
  readonly #timer = setInterval(() => this.#sweep(), granularityMs).unref();

  add(call: Limited): void {
    this.#running.add(call);
  }

  delete(call: Limited): void {
    this.#running.delete(call);
  }

  /** Expires everything that still runs: the drain's own limit has passed. */
  expireAll(): void {
    for (const call of this.#running) call.expire();
    this.#running.clear();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    for (const call of this.#running) {
      if (call.deadline > now) continue;
      this.#running.delete(call);
      call.expire();
    }
  }
}
