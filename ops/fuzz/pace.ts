/** How long a door is tried: so many times, or for so long. Says every ten seconds how it goes. */
import type { Findings } from "./findings.ts";

export interface Limits {
  /** Infinity: for as long as there is time. */
  count: number;
  /** By `performance.now()`. */
  until: number;
}

const everyMs = 10_000;

export class Pace {
  /** What has been begun. */
  begun = 0;
  readonly #began = performance.now();
  readonly #limits: Limits;
  readonly #findings: Findings;
  readonly #stop: () => void;

  constructor(what: string, limits: Limits, { tell, findings }: { tell(line: string): void; findings: Findings }) {
    this.#limits = limits;
    this.#findings = findings;
    let before = { at: this.#began, begun: 0 };
    const timer = setInterval(() => {
      const at = performance.now();
      const rate = ((this.begun - before.begun) / (at - before.at)) * 1000;
      before = { at, begun: this.begun };
      const whole = Number.isFinite(limits.count) ? ` of ${limits.count}` : "";
      tell(`${this.begun}${whole} ${what}, ${rate.toFixed(0)}/s, ${findings.all.length} findings`);
    }, everyMs);
    this.#stop = () => clearInterval(timer);
    tell(Number.isFinite(limits.count) ? `${limits.count} ${what} …` : `${what} …`);
  }

  /** The number of the next one; undefined when there is none. */
  next(): number | undefined {
    if (this.#findings.isOver) return undefined;
    if (this.begun >= this.#limits.count || performance.now() >= this.#limits.until) return undefined;
    return this.begun++;
  }

  /** Runs as many callers at once, each until it has nothing left to do. */
  async run(atOnce: number, one: (index: number) => Promise<void>): Promise<{ count: number; perSecond: number }> {
    const caller = async () => {
      for (let index = this.next(); index !== undefined; index = this.next()) await one(index);
    };
    await Promise.all(Array.from({ length: atOnce }, caller)).finally(this.#stop);
    return { count: this.begun, perSecond: Math.round((this.begun / (performance.now() - this.#began)) * 1000) };
  }
}
