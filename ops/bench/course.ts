/** The course of what is looked at again and again while something runs. */
import { setTimeout as wait } from "node:timers/promises";
import { median, type Sample } from "./measure.ts";

/** A sample with the `seconds` at which it was taken. */
export interface Course {
  readonly samples: readonly Sample[];
  /** Medians of what was seen in the first and in the last `windowSeconds`. */
  ends(what: string, windowSeconds: number): { first: number; last: number };
  most(what: string): number;
  /** How much it grows in a minute, by the line of least squares through the second half: what warms up does so before. */
  growthPerMinute(what: string): number;
}

export function courseOf(samples: readonly Sample[]): Course {
  const secondsOf = (sample: Sample): number => sample["seconds"] ?? NaN;
  const valueOf = (sample: Sample, what: string): number => sample[what] ?? NaN;
  const begin = secondsOf(samples[0] ?? {});
  const end = secondsOf(samples.at(-1) ?? {});
  const medianOf = (what: string, some: readonly Sample[]): number =>
    median(some.map((sample) => valueOf(sample, what)));
  return {
    samples,
    ends: (what, windowSeconds) => ({
      first: medianOf(
        what,
        samples.filter((sample) => secondsOf(sample) <= begin + windowSeconds),
      ),
      last: medianOf(
        what,
        samples.filter((sample) => secondsOf(sample) >= end - windowSeconds),
      ),
    }),
    most: (what) => Math.max(...samples.map((sample) => valueOf(sample, what))),
    growthPerMinute(what) {
      const half = samples.filter((sample) => secondsOf(sample) >= (begin + end) / 2);
      return 60 * slope(half.map((sample) => [secondsOf(sample), valueOf(sample, what)]));
    },
  };
}

/** Of the line of least squares through points. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const [up, across] = points.reduce(
    ([up, across], [x, y]) => [up + (x - meanX) * (y - meanY), across + (x - meanX) ** 2],
    [0, 0],
  );
  return up / across;
}

export interface Watch {
  /** Looks no more, and returns what was seen. Rejects when looking failed. */
  stop(): Promise<Course>;
}

/** Looks at something every so many milliseconds, and tells of each sample. */
export function watch(look: () => Promise<Sample>, everyMs: number, tell: (sample: Sample) => void): Watch {
  const began = performance.now();
  const samples: Sample[] = [];
  const ending = new AbortController();
  const looking = (async () => {
    for (;;) {
      await wait(everyMs, undefined, { signal: ending.signal }).catch(() => undefined);
      if (ending.signal.aborted) return;
      const sample = { seconds: (performance.now() - began) / 1000, ...(await look()) };
      samples.push(sample);
      tell(sample);
    }
  })();
  // Said by `stop`.
  looking.catch(() => undefined);
  return {
    async stop() {
      ending.abort();
      await looking;
      return courseOf(samples);
    },
  };
}
