import { setTimeout as wait } from "node:timers/promises";
import { inspect } from "node:util";

export interface Patience {
  /** What is waited for, in words, for the error. */
  what: string;
  /** Milliseconds; 5000 unless told. */
  within?: number;
}

/** Milliseconds between two questions, and which part of the time waited so far: who waits long need not know to the moment. */
const [shortest, longest, part] = [20, 100, 1 / 20];

/**
 * Asks `check` every 20 ms, later every 100 ms, until it answers something truthy, and returns that. A check that throws is
 * asked again; one that hangs is given up with the deadline.
 *
 * @throws when the time is over, with the last value or (as its cause, too) the last error.
 */
export async function eventually<T>(check: () => T | Promise<T>, { what, within = 5000 }: Patience): Promise<T> {
  const from = performance.now();
  const deadline = from + within;
  let last = "no answer yet";
  let cause: unknown;
  while (performance.now() < deadline) {
    const late = new AbortController();
    try {
      const left = wait(deadline - performance.now(), undefined, { signal: late.signal });
      left.catch(() => undefined);
      const answer = await Promise.race([Promise.resolve(check()).then((value) => ({ value })), left]);
      if (answer === undefined) break;
      if (answer.value) return answer.value;
      last = `last value ${inspect(answer.value)}`;
      cause = undefined;
    } catch (error) {
      last = `last error ${error instanceof Error ? error.message : inspect(error)}`;
      cause = error;
    } finally {
      late.abort();
    }
    await wait(Math.min(longest, Math.max(shortest, (performance.now() - from) * part)));
  }
  throw new Error(`${what}: not within ${within} ms; ${last}`, cause === undefined ? {} : { cause });
}
