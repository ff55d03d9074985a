/** What processes use, by proc(5); NaN where the system does not tell. */
import { readdirSync, readFileSync } from "node:fs";

const known = process.platform === "linux";
/** Linux shows 100 ticks a second. */
const ticks = 100;

/** Processor time of a process alone, in seconds: fields 14 and 15. */
export function cpuSeconds(pid: number): number {
  return known ? sum(stat(pid).slice(11, 13)) / ticks : NaN;
}

/**
 * Processor time of a process and of all that it has started, in seconds, those that have ended with it: fields 16 and 17
 * are theirs. PostgreSQL has a process for each connection, and others that come and go.
 */
export function treeCpuSeconds(pid: number): number {
  return known ? total(pid, (one) => sum(stat(one).slice(11, 15)) / ticks) : NaN;
}

/** What a process and all that it has started have in memory now, in bytes. */
export function treeBytes(pid: number): number {
  return known ? total(pid, (one) => kilobytes(one, "VmRSS") * 1024) : NaN;
}

/** The high water mark of what a process had in memory, in bytes. */
export function peakBytes(pid: number): number {
  return known ? kilobytes(pid, "VmHWM") * 1024 : NaN;
}

/** Processor time that the whole machine has used, in seconds: all but idling and waiting for disks. */
export function machineCpuSeconds(): number {
  if (!known) return NaN;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = /^cpu +(.+)/
    .exec(readFileSync("/proc/stat", "latin1"))?.[1]
    ?.split(" ")
    .map(Number) ?? [NaN];
  return (user + nice + system + irq + softirq) / ticks;
}

/** Fields of `/proc/<pid>/stat` from the third on: before it stands the name, which may have anything in it. */
function stat(pid: number): number[] {
  return (readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1) ?? "").split(" ").map(Number);
}

function kilobytes(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (!found) throw new Error(`Process ${pid} has ended`);
  return Number(found[1]);
}

/** Sums something up over a process and all that it has started. Those that end meanwhile count nothing. */
function total(pid: number, of: (pid: number) => number): number {
  return of(pid) + sum(descendants(pid).map((one) => orZero(() => of(one))));
}

function descendants(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return []; // ended
  }
}

function orZero(read: () => number): number {
  try {
    return read();
  } catch {
    return 0;
  }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
