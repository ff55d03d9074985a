/** What a test makes of the coming requests to a stand-in. */
import { setTimeout as pause } from "node:timers/promises";

export type Fault =
  | { kind: "status"; status: number; headers?: Record<string, string>; code?: string; message?: string }
  /** Cuts the connection: once the request is read, or once it is also accepted. */
  | { kind: "reset"; when: "read" | "accepted" }
  /** Never answers; `accepted`: though it took the request. */
  | { kind: "silence"; when?: "read" | "accepted" }
  /** Answers as always, so many milliseconds late. */
  | { kind: "delay"; ms: number }
  /** Answers as always, once the test lets it. */
  | { kind: "held"; until: Promise<unknown> };

export interface Faults<Step extends string> {
  /** One each for the coming requests of a step. */
  next(step: Step, ...faults: Fault[]): void;
  /** For every request of a step that no `next` is left for. */
  always(step: Step, fault: Fault | undefined): void;
  /** The fault of the request that has come. */
  take(step: Step): Fault | undefined;
  clear(): void;
}

export function makeFaults<Step extends string>(): Faults<Step> {
  const queues = new Map<Step, Fault[]>();
  const standing = new Map<Step, Fault>();
  return {
    next: (step, ...faults) => void queues.set(step, [...(queues.get(step) ?? []), ...faults]),
    always: (step, fault) => void (fault ? standing.set(step, fault) : standing.delete(step)),
    take: (step) => queues.get(step)?.shift() ?? standing.get(step),
    clear() {
      queues.clear();
      standing.clear();
    },
  };
}

/** Waits for as long as a fault keeps its request waiting. */
export async function endOfWait(fault: Fault | undefined): Promise<void> {
  if (fault?.kind === "delay") await pause(fault.ms);
  if (fault?.kind === "held") await fault.until;
}
