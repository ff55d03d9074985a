/**
 * How much of requests may be in memory at once: together a budget, and beyond it one request at a time. Who has to wait
 * for too long is refused with `overloaded`.
 */
import { problems } from "../problem.ts";

interface Waiting {
  share: MemoryShare;
  bytes: number;
  proceed: () => void;
  late: NodeJS.Timeout;
}

export class MemoryBudget {
  readonly #bytes: number;
  #used = 0;
  /** The one that may go past the budget. It always gets on, so whoever waits has somebody to wait for. */
  #beyond: MemoryShare | undefined;
  readonly #longestWaitMs: number;
  #waiting: Waiting[] = [];

  constructor(bytes: number, longestWaitMs: number) {
    this.#bytes = bytes;
    this.#longestWaitMs = longestWaitMs;
  }

  share(): MemoryShare {
    return new MemoryShare(this);
  }

  take(share: MemoryShare, bytes: number): Promise<void> | undefined {
    const isNext = this.#waiting.length === 0 || share === this.#beyond;
    if (isNext && this.#admits(share, bytes)) return undefined;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other.late !== late);
        reject(
          problems.overloaded({ message: "Too many large requests are under way", headers: { "retry-after": "5" } }),
        );
      }, this.#longestWaitMs);
      const proceed = () => {
        clearTimeout(late);
        resolve();
      };
      this.#waiting.push({ share, bytes, proceed, late });
    });
  }

  give(share: MemoryShare): void {
    this.#used -= share.bytes;
    share.bytes = 0;
    if (this.#beyond === share) this.#beyond = undefined;
    for (const { proceed } of this.#waiting.filter((one) => one.share === share)) proceed();
    this.#waiting = this.#waiting.filter((one) => one.share !== share);
    while (this.#waiting[0] && this.#admits(this.#waiting[0].share, this.#waiting[0].bytes)) {
      this.#waiting.shift()?.proceed();
    }
  }

  #admits(share: MemoryShare, bytes: number): boolean {
    if (this.#used + bytes > this.#bytes && this.#beyond !== share) {
      if (this.#beyond) return false;
      this.#beyond = share;
    }
    this.#used += bytes;
    share.bytes += bytes;
    return true;
  }
}

/** What one request has of the budget. */
export class MemoryShare {
  bytes = 0;
  readonly #budget: MemoryBudget;
  #released = false;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Takes so many bytes more. A promise when that has to wait for others to end; `release` settles it, too. */
  take(bytes: number): Promise<void> | undefined {
    return this.#released ? undefined : this.#budget.take(this, bytes);
  }

  /** Gives everything back, for good: what is taken from now on does not count. */
  release(): void {
    this.#released = true;
    this.#budget.give(this);
  }
}
