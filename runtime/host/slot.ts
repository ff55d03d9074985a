/** A mounted function: one name, a current version, and older versions that finish what they began. */
import type { AnyFunction } from "../function.ts";

/** A function file after loading. */
export interface Loaded<F extends AnyFunction = AnyFunction> {
  /** Its path under `functions/` without `.ts`: `mail/send`. */
  readonly name: string;
  /** Path of the file, relative to the project's root. */
  readonly file: string;
  readonly definition: F;
  /** First 12 hex digits of the bundle's SHA-256. */
  readonly hash: string;
  /** Files that went into the bundle, relative to the root. */
  readonly inputs: readonly string[];
}

/** One version of a function. A call enters the version it starts on and leaves that same one. */
export class Version<F extends AnyFunction = AnyFunction, Compiled = unknown> {
  readonly loaded: Loaded<F>;
  readonly compiled: Compiled;
  inflight = 0;
  #whenIdle: (() => void) | undefined;

  constructor(loaded: Loaded<F>, compiled: Compiled) {
    this.loaded = loaded;
    this.compiled = compiled;
  }

  leave(): void {
    this.inflight--;
    if (this.inflight === 0) this.#whenIdle?.();
  }

  /** Resolves once no call is on this version. New calls may still enter: take it out of its slot first. */
  idle(): Promise<void> {
    if (this.inflight === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const earlier = this.#whenIdle;
    this.#whenIdle = () => {
      earlier?.();
      resolve();
    };
    return promise;
  }
}

export class Slot<F extends AnyFunction = AnyFunction, Compiled = unknown> {
  readonly name: string;
  current: Version<F, Compiled>;
  /** Versions that were swapped out and still have calls. */
  readonly retired = new Set<Version<F, Compiled>>();

  constructor(name: string, first: Version<F, Compiled>) {
    this.name = name;
    this.current = first;
  }

  /** Calls in progress on every version. */
  get inflight(): number {
    let sum = this.current.inflight;
    for (const version of this.retired) sum += version.inflight;
    return sum;
  }

  /** From now on calls start on `next`. Resolves when the previous version has finished its last call. */
  async swap(next: Version<F, Compiled>): Promise<void> {
    const previous = this.current;
    this.current = next;
    this.retired.add(previous);
    await previous.idle();
    this.retired.delete(previous);
  }

  /** Resolves when no version has a call in progress. */
  async idle(): Promise<void> {
    await Promise.all([this.current.idle(), ...[...this.retired].map((version) => version.idle())]);
  }
}
