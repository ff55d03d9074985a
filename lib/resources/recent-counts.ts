/** Counts that took long, kept for a few seconds: many who look at the same list at once have it counted once. */

export interface RecentCounts {
  /**
   * What `count` finds; or, where that was a large number, what it found a few seconds ago. A small number is always
   * as it is now: whoever adds something sees it counted.
   */
  of(key: string, count: () => Promise<number>): Promise<number>;
}

export interface RecentCountsOptions {
  /** From here on a number is large. */
  large?: number;
  /** How long it is kept at least. One that took long is kept 20 times as long as it took, up to a minute. */
  ms?: number;
  /** Most numbers kept. */
  max?: number;
  /** Milliseconds since any moment. */
  now?: () => number;
}

interface Kept {
  value: number;
  at: number;
  keepMs: number;
  next?: Promise<number>;
}

const mostMs = 60_000;

export function openRecentCounts(options: RecentCountsOptions = {}): RecentCounts {
  const { large = 10_000, ms = 5000, max = 1000, now = () => performance.now() } = options;
  const kept = new Map<string, Kept>();
  async function recount(key: string, count: () => Promise<number>): Promise<number> {
    const at = now();
    const value = await count();
    const keepMs = Math.min(mostMs, Math.max(ms, 20 * (now() - at)));
    kept.delete(key);
    if (value >= large) kept.set(key, { value, at, keepMs });
    if (kept.size > max) kept.delete(kept.keys().next().value ?? "");
    return value;
  }
  return {
    async of(key, count) {
      const known = kept.get(key);
      if (!known) return recount(key, count);
      const age = now() - known.at;
      if (age < known.keepMs) return known.value;
      known.next ??= recount(key, count).finally(() => delete known.next);
      if (age > 2 * known.keepMs) return known.next;
      // The last one is good enough for whoever comes while it is counted anew; a failure is told to who comes later.
      known.next.catch(() => {});
      return known.value;
    },
  };
}
