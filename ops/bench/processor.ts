/** Who uses the machine's processors while something is measured. */
import { hash } from "node:crypto";
import { number, type Row, type Sample } from "./measure.ts";
import { cpuSeconds, machineCpuSeconds, treeCpuSeconds } from "./processes.ts";

export interface Meter {
  /** What each has used since, the most first, and at the end what others on the machine have. */
  read(): Usage[];
}

export interface Usage {
  name: string;
  seconds: number;
  /** Of one core. */
  share: number;
}

/** What is not measured, and should be little. */
const others = "all else on this machine";

/** Begins to count: each of `pids` with all that it has started, and this process, which makes the load. */
export function startMeter(pids: Readonly<Record<string, number>>): Meter {
  const began = performance.now();
  const now = () => ({
    ...Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, treeCpuSeconds(pid)])),
    "the bench itself": cpuSeconds(process.pid),
  });
  const before = new Map(Object.entries(now()));
  const machineBefore = machineCpuSeconds();
  return {
    read() {
      const wall = (performance.now() - began) / 1000;
      const used = Object.entries(now()).map(([name, seconds]) => ({
        name,
        seconds: seconds - (before.get(name) ?? 0),
      }));
      const ours = used.reduce((sum, { seconds }) => sum + seconds, 0);
      const rest = { name: others, seconds: Math.max(0, machineCpuSeconds() - machineBefore - ours) };
      const all = [...used.toSorted((a, b) => b.seconds - a.seconds), rest];
      return all.map((one) => ({ ...one, share: one.seconds / wall }));
    },
  };
}

/** `count` of `unit` is what was done meanwhile. */
export function usageRows(usages: readonly Usage[], count: number, unit: string): Row[] {
  return usages.map(({ name, seconds, share }) => ({
    measurement: `  processor: ${name}`,
    ours: `${number(100 * share)} % of a core${name === others ? "" : `, ${number((seconds / count) * 1e6)} µs a ${unit}`}`,
    peers: "",
    ceiling: "",
    ratio: "",
    target: "",
  }));
}

const piece = Buffer.alloc(2 ** 20);
const pieces = 5;

/**
 * Milliseconds for a piece of work that is always the same, 1 MB of SHA-256: the least of a few, so that it does not count
 * who else wanted the processor. When it grows, the machine itself has become slower, as one that is shared does by the hour.
 */
export function pieceMs(): number {
  const took = Array.from({ length: pieces }, () => {
    const began = performance.now();
    hash("sha256", piece);
    return performance.now() - began;
  });
  return Math.min(...took);
}

export const usageSample = (usages: readonly Usage[]): Sample =>
  Object.fromEntries(usages.map(({ name, seconds }) => [name, seconds]));
