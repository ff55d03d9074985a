/** Faults by chance, the same for the same seed: what becomes of a request depends on its place in the order of arrival. */
import { seeded } from "../../harness/random.ts";
import type { Fault } from "./faults.ts";

export interface FaultPlan {
  seed: number;
  /** Of 429 that asks to slow down, and 500: nothing is accepted. 0 to 1, as all rates. */
  throttled?: number;
  broken?: number;
  /** The connection is cut, or no answer ever comes. `…Accepted`: though the request was taken. */
  reset?: number;
  resetAccepted?: number;
  silence?: number;
  silenceAccepted?: number;
  /** Answered late, by up to `delayMs`. */
  delay?: number;
  delayMs?: number;
}

export function planFaults(plan: FaultPlan): () => Fault | undefined {
  const random = seeded(plan.seed);
  const kinds: [number | undefined, () => Fault][] = [
    [plan.throttled, () => ({ kind: "status", status: 429, message: rateLimited })],
    [plan.broken, () => ({ kind: "status", status: 500, message: "Internal server error" })],
    [plan.reset, () => ({ kind: "reset", when: "read" })],
    [plan.resetAccepted, () => ({ kind: "reset", when: "accepted" })],
    [plan.silence, () => ({ kind: "silence" })],
    [plan.silenceAccepted, () => ({ kind: "silence", when: "accepted" })],
    [plan.delay, () => ({ kind: "delay", ms: Math.floor(random.next() * (plan.delayMs ?? 100)) })],
  ];
  return () => {
    let dice = random.next();
    for (const [rate = 0, fault] of kinds) {
      if (dice < rate) return fault();
      dice -= rate;
    }
    return undefined;
  };
}

/** LINE's words, of its error messages. */
export const rateLimited = "The API rate limit has been exceeded. Try again later.";
