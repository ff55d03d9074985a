/** Collects what callers ask for at the same time into one statement, which then shares one commit. */

/**
 * Returns a function that hands its item to `flush` together with all others that came meanwhile, and settles as that flush
 * does. One flush runs at a time: while it waits for the disk, the next batch grows.
 */
export function createBatcher<T>(max: number, flush: (items: T[]) => Promise<void>): (item: T) => Promise<void> {
  let waiting: { item: T; settled: PromiseWithResolvers<void> }[] = [];
  let flushing = false;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, max);
      waiting = waiting.slice(max);
      try {
        await flush(batch.map(({ item }) => item));
        for (const { settled } of batch) settled.resolve();
      } catch (error) {
        for (const { settled } of batch) settled.reject(error);
      }
    }
    flushing = false;
  }

  return (item) => {
    const settled = Promise.withResolvers<void>();
    waiting.push({ item, settled });
    if (!flushing) {
      flushing = true;
      setImmediate(() => void run());
    }
    return settled.promise;
  };
}
