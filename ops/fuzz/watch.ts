/** Watches the process meanwhile: whether it lives and answers, what it complains of, and how much memory it takes. */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { System } from "../e2e/system.ts";
import type { Findings } from "./findings.ts";

/** A container has 256 MB for a process that has one role; this one has all of them. */
const mostMb = 400;
/** Most processor time of its one thread without an answer to anybody, in milliseconds. */
const mostBusyMs = 3000;
const everyMs = 200;
/** It is starved when it waited for the processor for more than this share of the last seconds; in milliseconds. */
const mostWaiting = 0.5;
const windowMs = 15_000;
/** How many looks at the process for one at the log. */
const looks = 25;

/** A call that was answered with 503, which is no finding, or why: the connections to the database were busy for too long. */
const refusals =
  / call failed (?:service_unavailable|overloaded) |PostgreSQL is away +Error: (?:timeout|Connection terminated due to connection timeout)/;

/** What was thrown as a problem, such as 503 for too much at once; and what is no message of a queue is to be told. */
const meant = / Problem: |A message is given up (?:invalid_message|not JSON)/;

export interface Watched {
  peakMb: number;
  /** How many calls were answered with 503, or had to be. */
  refused: number;
}

/** `pulse` tells another number whenever something has been answered. */
export function watch(system: System, findings: Findings, pulse: () => number): { stop(): Promise<Watched> } {
  const stopping = new AbortController();
  const { pid } = system;
  const watched = { peakMb: 0, refused: 0 };
  let read = 0;
  const readLog = async () => {
    const { stdout } = await system.output();
    const whole = stdout.slice(0, stdout.lastIndexOf("\n") + 1);
    for (const line of whole.slice(read).split("\n").filter(Boolean)) {
      const said = complaint(line);
      if (refusals.test(said)) watched.refused++;
      else if (!meant.test(said)) findings.add("log", said);
    }
    read = whole.length;
  };
  const watching = (async () => {
    let before = { pulse: pulse(), cpuMs: 0 };
    const waits: { at: number; ms: number }[] = [];
    for (let look = 1; !stopping.signal.aborted; look++) {
      const mb = await memoryOf(pid);
      if (mb === 0) {
        findings.add("ended", "the process is gone", { said: await lastWords(system) });
        findings.isOver = true;
      }
      watched.peakMb = Math.max(watched.peakMb, mb);
      if (mb > mostMb) findings.add("memory", `more than ${mostMb} MB`);
      const { cpuMs, waitedMs } = await timesOf(pid);
      waits.push({ at: performance.now(), ms: waitedMs });
      while ((waits[1]?.at ?? Infinity) < performance.now() - windowMs) waits.shift();
      findings.isStarved = shareOf(waits) > mostWaiting;
      const now = { pulse: pulse(), cpuMs };
      if (now.pulse !== before.pulse) before = now;
      else if (now.cpuMs - before.cpuMs > mostBusyMs) {
        findings.add("busy", `more than ${mostBusyMs} ms of its thread without an answer`);
        before = now;
      }
      if (look % looks === 0) await readLog();
      await pause(everyMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await watching;
      await readLog();
      return watched;
    },
  };
}

/** What an engine that gives up says is followed by a page of addresses. */
async function lastWords(system: System): Promise<string> {
  const { stderr } = await system.output();
  return /^.*(?:FATAL ERROR|Error:).*$/m.exec(stderr)?.[0] ?? stderr.slice(-300);
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

/** How long its main thread ran, and waited for its turn, in milliseconds (schedstat: nanoseconds of both). */
async function timesOf(pid: number): Promise<{ cpuMs: number; waitedMs: number }> {
  const stat = await readFile(`/proc/${pid}/task/${pid}/schedstat`, "utf8").catch(() => "");
  const [cpu = 0, waited = 0] = stat.split(" ").map((field) => Number(field) / 1e6);
  return { cpuMs: cpu, waitedMs: waited };
}

/** Of the time between the first and the last look, how much it waited. */
function shareOf(waits: readonly { at: number; ms: number }[]): number {
  const [first, last] = [waits[0], waits.at(-1)];
  return first && last && last.at > first.at ? (last.ms - first.ms) / (last.at - first.at) : 0;
}

/** What is the same whenever it happens again. */
function complaint(line: string): string {
  try {
    const {
      msg,
      function: name,
      reason = "",
      code = "",
      err,
    } = JSON.parse(line) as Partial<Record<"msg" | "function" | "reason" | "code", string>> & {
      err?: { stack?: string };
    };
    return `${name ?? ""} ${msg ?? ""} ${reason}${code} ${err?.stack?.split("\n").slice(0, 3).join(" | ") ?? ""}`;
  } catch {
    return line.slice(0, 300);
  }
}
