/** What both drivers do with messages: their wire form, and the count of those in progress. */

/** The wire form of a message. Throws a `TypeError` for what JSON cannot carry, `undefined` for one. */
export function encode(message: unknown): string {
  const text: string | undefined = JSON.stringify(message);
  if (text === undefined) throw new TypeError(`A message must be JSON, and ${typeof message} is not`);
  return text;
}

/**
 * Reads a wire form, which anybody may have put into the queue. Never throws: the fault is told in plain words, and
 * without those of the parser, which quote what it read: the log tells nothing of a message.
 */
export function decode(text: string): { message: unknown } | { fault: string } {
  try {
    return { message: JSON.parse(text) };
  } catch {
    return { fault: "not JSON" };
  }
}

/** 1 unless the header is a whole number above it. */
export function attemptOf(header: unknown): number {
  return typeof header === "number" && Number.isSafeInteger(header) && header > 1 ? header : 1;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Counts the work in progress, and tells when there is none. */
export function createInflight() {
  const running = new Set<Promise<void>>();
  return {
    get size() {
      return running.size;
    },
    /** Starts `work`, which must not reject. */
    run(work: () => Promise<void>): void {
      const done = work().finally(() => running.delete(done));
      running.add(done);
    },
    /** Resolves when everything started so far, and what it led to, has ended. */
    async idle(): Promise<void> {
      while (running.size > 0) await Promise.all(running);
    },
    /** Resolves when any of the work in progress has ended. */
    async oneLess(): Promise<void> {
      await Promise.race(running);
    },
  };
}

/** Resolves after `ms`, or at once when `signal` aborts. Does not keep the process alive. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal.addEventListener("abort", end);
  });
}
