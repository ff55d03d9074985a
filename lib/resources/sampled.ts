/** Numbers that another system has to be asked for: asked seldom, waited for shortly, and forgotten when they are old. */

export interface SampleOptions {
  /** How long an answer is good, in milliseconds. Default 10,000. */
  freshMs?: number;
  /** Longest time that a reader waits for a newer one. Default 400. */
  waitMs?: number;
  /** After so long without a newer one there is none: an old number that looks like a new one misleads. Default 60,000. */
  keepMs?: number;
  /** A clock in milliseconds. */
  now?: () => number;
}

/**
 * Returns what reads the newest answer. It never throws, and never waits longer than `waitMs`: while there is nothing
 * newer it gives the last answer, and undefined when that is too old. At most one question is under way.
 */
export function sampled<T>(ask: () => Promise<T>, options: SampleOptions = {}): () => Promise<T | undefined> {
  const { freshMs = 10_000, waitMs = 400, keepMs = 60_000, now = () => performance.now() } = options;
  let last: { value: T; at: number } | undefined;
  let asking: Promise<void> | undefined;

  async function renew(): Promise<void> {
    const at = now();
    try {
      last = { value: await ask(), at };
    } catch {
      // Away. Whether a system is there is told by a number of its own.
    } finally {
      asking = undefined;
    }
  }

  return async () => {
    if (last && now() - last.at < freshMs) return last.value;
    asking ??= renew();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    await Promise.race([asking, late]);
    clearTimeout(timer);
    return last && now() - last.at < keepMs ? last.value : undefined;
  };
}
