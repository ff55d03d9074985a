/** Lets the first of several equal pieces of work go ahead of the others. */

export interface SingleFlight {
  /**
   * Runs the work. When work under the same name is under way in this process, it waits until that has ended, however
   * it ended; then all that have waited run at once, and find what the first one left.
   */
  run<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export function openSingleFlight(): SingleFlight {
  const ahead = new Map<string, Promise<unknown>>();
  return {
    async run(name, work) {
      const first = ahead.get(name);
      if (first) {
        await first;
        return work();
      }
      const { promise, resolve } = Promise.withResolvers<undefined>();
      ahead.set(name, promise);
      try {
        return await work();
      } finally {
        ahead.delete(name);
        resolve(undefined);
      }
    },
  };
}
