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
  /** Calls that have ended, and those of them that failed by a fault of the code: what nobody foresaw, or took too long. */
  calls = 0;
  faults = 0;
  readonly #retiring = new AbortController();
  #whenIdle: (() => void) | undefined;

  constructor(loaded: Loaded<F>, compiled: Compiled) {
    this.loaded = loaded;
    this.compiled = compiled;
  }

  /** Aborted when calls that would go on for as long as their client stays are to end. */
  get retiring(): AbortSignal {
    return this.#retiring.signal;
  }

  /** Its calls are to end: another version has taken over, or the process stops. */
  retire(): void {
    this.#retiring.abort();
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

/** A version that gets a share of the calls, until it is known to be good. */
interface Trial<V> {
  readonly version: V;
  /** More than 0, less than 1. */
  readonly share: number;
  /** How much of a call it is owed. */
  owed: number;
}

export class Slot<F extends AnyFunction = AnyFunction, Compiled = unknown> {
  readonly name: string;
  current: Version<F, Compiled>;
  /** Versions that were swapped out and still have calls. */
  readonly retired = new Set<Version<F, Compiled>>();
  #trial: Trial<Version<F, Compiled>> | undefined;

  constructor(name: string, first: Version<F, Compiled>) {
    this.name = name;
    this.current = first;
  }

  /** The version that the next call is to run on. */
  next(): Version<F, Compiled> {
    const trial = this.#trial;
    if (trial === undefined) return this.current;
    trial.owed += trial.share;
    if (trial.owed < 1) return this.current;
    trial.owed--;
    return trial.version;
  }

  /** The version on trial. */
  get trial(): Version<F, Compiled> | undefined {
    return this.#trial?.version;
  }

  /** Calls in progress on every version. */
  get inflight(): number {
    let sum = this.current.inflight + (this.#trial?.version.inflight ?? 0);
    for (const version of this.retired) sum += version.inflight;
    return sum;
  }

  /** From now on calls start on `next`. Resolves when the previous version has finished its last call. */
  async swap(next: Version<F, Compiled>): Promise<void> {
    const previous = this.current;
    this.current = next;
    await this.#retire(previous);
  }

  /** From now on this share of the calls starts on `version`. Resolves when another one on trial has finished its last. */
  async try(version: Version<F, Compiled>, share: number): Promise<void> {
    const previous = this.#trial?.version;
    this.#trial = { version, share, owed: 0 };
    if (previous) await this.#retire(previous);
  }

  /** From now on all calls start on the current version. Resolves when the one on trial has finished its last. */
  async endTrial(): Promise<void> {
    const previous = this.#trial?.version;
    this.#trial = undefined;
    if (previous) await this.#retire(previous);
  }

  async #retire(version: Version<F, Compiled>): Promise<void> {
    this.retired.add(version);
    version.retire();
    await version.idle();
    this.retired.delete(version);
  }

  /** Resolves when no version has a call in progress. */
  async idle(): Promise<void> {
    await Promise.all(this.#versions().map((version) => version.idle()));
  }

  /** Nothing is to come any more: ends what would go on. Resolves when no version has a call in progress. */
  async drain(): Promise<void> {
    for (const version of this.#versions()) version.retire();
    await this.idle();
  }

  #versions(): Version<F, Compiled>[] {
    return [this.current, ...(this.#trial ? [this.#trial.version] : []), ...this.retired];
  }
}
