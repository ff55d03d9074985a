/** Rounds: every contender is measured once in each, so that what else the machine does falls on all of them alike. */

/** What one measurement found, by name: `perSecond`, `p50Ms`, … */
export type Sample = Readonly<Record<string, number>>;

export interface Contender {
  name: string;
  /** Throws when what it measures does not work: wrong replies, lost mail. A slow one is no failure. */
  measure(seconds: number): Promise<Sample>;
}

export interface Plan {
  rounds: number;
  /** Of one measurement. */
  seconds: number;
  /** Mails that a worker delivers at once. */
  workers: number;
  /** Mails that history is measured with. */
  mails: number;
  /** Members that the CRM is measured with. */
  members: number;
  /** Of sustained load. */
  minutes: number;
  /** Mails a second of sustained load. */
  rate: number;
  /** Write a CPU profile of each process of ours. */
  profile: boolean;
  /** Progress, for people. */
  tell(line: string): void;
}

/** One line of the table. */
export interface Row {
  measurement: string;
  ours: string;
  peers: string;
  ceiling: string;
  ratio: string;
  target: string;
  /** Of the ratio; otherwise more is. */
  lessIsBetter?: boolean;
}

export interface Report {
  rows: Row[];
  samples: Readonly<Record<string, readonly Sample[]>>;
}

/** The samples of all rounds. */
export class Series {
  readonly #samples = new Map<string, Sample[]>();

  add(name: string, sample: Sample): void {
    this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
  }

  median(name: string, what = "perSecond"): number {
    return median(this.#values(name, what));
  }

  /** Compares within each round, and takes the median of that: what slowed a whole round down does not count. */
  ratio(name: string, to: string, what = "perSecond"): number {
    const others = this.#values(to, what);
    return median(this.#values(name, what).map((value, round) => value / (others[round] ?? NaN)));
  }

  toJSON(): Record<string, Sample[]> {
    return Object.fromEntries(this.#samples);
  }

  #values(name: string, what: string): number[] {
    return (this.#samples.get(name) ?? []).map((sample) => sample[what] ?? NaN);
  }
}

/** Measures all contenders in every round, each round beginning with another one. */
export async function interleave(contenders: readonly Contender[], plan: Plan): Promise<Series> {
  const series = new Series();
  for (let round = 0; round < plan.rounds; round++) {
    const first = round % contenders.length;
    for (const { name, measure } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const sample = await measure(plan.seconds);
      series.add(name, sample);
      const found = Object.entries(sample).map(([what, value]) => `${what} ${number(value)}`);
      plan.tell(`  ${round + 1}/${plan.rounds}  ${name.padEnd(28)} ${found.join("  ")}`);
    }
  }
  return series;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** `12,345` or `3.2`. */
export function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** `p50 1.2 ms, p95 3 ms, p99 4.1 ms`, the medians of all rounds. */
export function latencies(series: Series, name: string): string {
  const shown = ["p50", "p95", "p99"].map((what) => `${what} ${number(series.median(name, `${what}Ms`))}`);
  return `${shown.join(", ")} ms`;
}

export const perSecond = (value: number): string => `${number(value)}/s`;
