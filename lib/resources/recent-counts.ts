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
  /** How long it is kept. */
  ms?: number;
  /** Most numbers kept. */
  max?: number;
}

export function openRecentCounts({ large = 10_000, ms = 5000, max = 1000 }: RecentCountsOptions = {}): RecentCounts {
  const kept = new Map<string, { value: number; at: number; next?: Promise<number> }>();
  async function recount(key: string, count: () => Promise<number>): Promise<number> {
    const at = performance.now();
    const value = await count();
    kept.delete(key);
    if (value >= large) kept.set(key, { value, at });
    if (kept.size > max) kept.delete(kept.keys().next().value ?? "");
    return value;
  }
  return {
    async of(key, count) {
      const known = kept.get(key);
      if (!known) return recount(key, count);
      if (performance.now() - known.at < ms) return known.value;
      known.next ??= recount(key, count).finally(() => delete known.next);
      return known.next;
    },
  };
}
