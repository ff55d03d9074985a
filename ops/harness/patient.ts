/** Which test files mostly wait, and when there is time to run one of them beside the others. */
import { cpus } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

/** They wait for retries, time limits and restarts: alone, each takes less than half of one processor. */
const patient = [
  "crm-campaign-crash",
  "crm-campaign-faults-aggregate",
  "crm-campaign-faults-member",
  "graph",
  "ladder",
  "send-later",
  "smtp-slow",
].map((name) => `ops/e2e/${name}.test.ts`);
/** The share of the processors' time that must be left over for one. */
const leftOver = 0.25;

export function isPatient(file: string): boolean {
  return patient.includes(file);
}

/** Takes one out, once there is time for it; undefined when none is left. */
export async function nextPatient(waiting: string[]): Promise<string | undefined> {
  const find = () => waiting.findIndex((file) => isPatient(file));
  while (find() >= 0) {
    if ((await idleShare(3000)) > leftOver && find() >= 0) return waiting.splice(find(), 1)[0];
  }
  return undefined;
}

/** The share of all processors' time that nobody uses in the next `ms` milliseconds. */
async function idleShare(ms: number): Promise<number> {
  const before = processorTimes();
  await wait(ms);
  const after = processorTimes();
  return (after.idle - before.idle) / (after.all - before.all);
}

function processorTimes(): { idle: number; all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
  return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.flatMap((one) => Object.values(one))) };
}
