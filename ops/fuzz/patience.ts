/** When an answer is overdue: for itself, and not because the whole machine has much to do. */

/** An answer that so many younger ones have passed is late by itself, as soon as its time is over. */
const passing = 2000;
/** None may take longer, however little is answered meanwhile; in milliseconds. */
const mostMs = 60_000;
const lookMs = 1000;

export interface Waiting {
  /** All has been sent: from here on the answer is waited for. */
  sent(): void;
  /** It has come to its end, in whatever way. */
  end(): void;
}

export class Patience {
  readonly #usualMs: number;
  #ended = 0;
  #waiting = 0;

  /** How long an answer may take from when all has been sent, in milliseconds. */
  constructor(usualMs: number) {
    this.#usualMs = usualMs;
  }

  /** Is another number whenever something has come to its end, and all the time while nobody waits. */
  get pulse(): number {
    return this.#waiting === 0 ? -performance.now() : this.#ended;
  }

  /** Waits for so many answers to one thing that is being sent. */
  begin(answers: number, overdue: () => void): Waiting {
    const at = performance.now();
    let sent: { at: number; before: number } | undefined;
    this.#waiting++;
    const timer = setInterval(() => {
      const now = performance.now();
      const isPassed = sent && this.#ended - sent.before >= passing;
      const isLate = sent && isPassed && now - sent.at > this.#usualMs * Math.max(1, answers);
      if (isLate || now - at > mostMs) overdue();
    }, lookMs);
    let isOver = false;
    return {
      sent: () => void (sent ??= { at: performance.now(), before: this.#ended }),
      end: () => {
        if (isOver) return;
        isOver = true;
        clearInterval(timer);
        this.#waiting--;
        this.#ended++;
      },
    };
  }
}
