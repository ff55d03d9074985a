/** Faults by chance, the same for the same seed: what becomes of a request depends on its place in the order of arrival. */
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
  const random = mulberry32(plan.seed);
  const kinds: [number | undefined, () => Fault][] = [
    [plan.throttled, () => ({ kind: "status", status: 429, message: rateLimited })],
    [plan.broken, () => ({ kind: "status", status: 500, message: "Internal server error" })],
    [plan.reset, () => ({ kind: "reset", when: "read" })],
    [plan.resetAccepted, () => ({ kind: "reset", when: "accepted" })],
    [plan.silence, () => ({ kind: "silence" })],
    [plan.silenceAccepted, () => ({ kind: "silence", when: "accepted" })],
    [plan.delay, () => ({ kind: "delay", ms: Math.floor(random() * (plan.delayMs ?? 100)) })],
  ];
  return () => {
    let dice = random();
    for (const [rate = 0, fault] of kinds) {
      if (dice < rate) return fault();
      dice -= rate;
    }
    return undefined;
  };
}

/** LINE's words, of its error messages. */
export const rateLimited = "The API rate limit has been exceeded. Try again later.";

/** A small generator with a seed: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
