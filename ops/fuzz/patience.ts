/** When an answer is overdue: for itself, and not because the whole machine has much to do. */

/** An answer that so many younger ones have passed is late by itself, as soon as its time is over. */
const passing = 2000;
/** None may take longer, however little is answered meanwhile; in milliseconds. */
const mostMs = 60_000;
const lookMs = 1000;
/** A large one is taken beside all the rest, a piece in each turn of the event loop: each whole megabyte has its time. */
const perMegabyteMs = 1000;

export class Patience {
  readonly #usualMs: number;
  #ended = 0;
  #waiting = 0;

  /** How long an answer may take, in milliseconds. */
  constructor(usualMs: number) {
    this.#usualMs = usualMs;
  }

  /** Is another number whenever something has come to its end, and all the time while nobody waits. */
  get pulse(): number {
    return this.#waiting === 0 ? -performance.now() : this.#ended;
  }

  /** Waits for so many answers to one thing of so many bytes. Returns what is to be called when it has come to its end, in whatever way. */
  begin(answers: number, bytes: number, overdue: () => void): () => void {
    const at = performance.now();
    const before = this.#ended;
    this.#waiting++;
    const timer = setInterval(() => {
      const isPassed = this.#ended - before >= passing;
      const usualMs = this.#usualMs * Math.max(1, answers) + Math.floor(bytes / 2 ** 20) * perMegabyteMs;
      if (performance.now() - at > (isPassed ? Math.min(usualMs, mostMs) : mostMs)) overdue();
    }, lookMs);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      clearInterval(timer);
      this.#waiting--;
      this.#ended++;
    };
  }
}
