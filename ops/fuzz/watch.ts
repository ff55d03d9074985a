/** Watches the process meanwhile: whether it lives, what it complains of, and how much memory it takes. */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { System } from "../e2e/system.ts";
import type { Findings } from "./findings.ts";

/** A container has 256 MB for a process that has one role; this one has all of them. */
const mostMb = 400;

export function watch(system: System, findings: Findings): { stop(): Promise<{ peakMb: number }> } {
  const stopping = new AbortController();
  const { pid } = system;
  let peakMb = 0;
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const mb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      if (mb === 0) findings.add("ended", "the process is gone");
      peakMb = Math.max(peakMb, mb);
      if (mb > mostMb) findings.add("memory", `more than ${mostMb} MB`);
      await pause(200, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await watching;
      const { stdout } = await system.output();
      for (const line of stdout.split("\n").filter(Boolean)) {
        const said = complaint(line);
        // What was thrown as a problem was meant to be, such as 503 for too much at once.
        if (!/ Problem: /.test(said)) findings.add("log", said);
      }
      return { peakMb };
    },
  };
}

/** What is the same whenever it happens again. */
function complaint(line: string): string {
  try {
    const {
      msg,
      function: name,
      err,
    } = JSON.parse(line) as { msg?: string; function?: string; err?: { stack?: string } };
    return `${name ?? ""} ${msg ?? ""} ${err?.stack?.split("\n").slice(0, 3).join(" | ") ?? ""}`;
  } catch {
    return line.slice(0, 300);
  }
}
