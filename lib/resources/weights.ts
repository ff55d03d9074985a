/** A budget of bytes that all heavy work of this process shares: who would exceed it waits, first come, first served. */

export interface Weights {
  /**
   * Resolves once so many bytes are free, with what gives them back when disposed; at most `withinMs` later, or when
   * `signal` aborts, with undefined. What weighs more than the whole budget gets all of it, and so goes alone.
   */
  take(bytes: number, options: { withinMs: number; signal: AbortSignal }): Promise<Disposable | undefined>;
  /** Bytes that are taken. */
  readonly taken: number;
}

export function openWeights(budget: number): Weights {
  const queue = new Set<{ bytes: number; resolve: (weight: Disposable) => void }>();
  let taken = 0;

  /** In order, also where one further back would fit: it would overtake the heavy ones for ever. */
  function admit(): void {
    for (const waiter of queue) {
      if (taken + waiter.bytes > budget) return;
      queue.delete(waiter);
      waiter.resolve(hold(waiter.bytes));
    }
  }

  function hold(bytes: number): Disposable {
    taken += bytes;
    return {
      [Symbol.dispose]() {
        taken -= bytes;
        bytes = 0;
        admit();
      },
    };
  }

  return {
    get taken() {
      return taken;
    },
    async take(bytes, { withinMs, signal }) {
      if (signal.aborted) return undefined;
      const { promise, resolve } = Promise.withResolvers<Disposable | undefined>();
      const waiter = { bytes: Math.min(bytes, budget), resolve };
      queue.add(waiter);
      admit();
      if (!queue.has(waiter)) return promise;
      const giveUp = () => {
        if (!queue.delete(waiter)) return;
        resolve(undefined);
        admit();
      };
      const timer = setTimeout(giveUp, withinMs);
      signal.addEventListener("abort", giveUp);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
      }
    },
  };
}
