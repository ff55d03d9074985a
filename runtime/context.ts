/** What a handler is given besides its request: the opened resources, and what belongs to this one call. */
import type { Logger } from "pino";

export type { Logger } from "pino";

/** Where time and fresh ids come from, so that tests can own them. */
export interface Clock {
  now(): Date;
  /** A random UUID, version 4. */
  uuid(): string;
}

/** Identity of a call across processes (W3C Trace Context). */
export interface Trace {
  /** 32 hex digits, the same from a request through the queue to the provider. */
  readonly traceId: string;
  /** 16 hex digits, of this call. */
  readonly spanId: string;
  /** The header value to hand on. */
  readonly traceparent: string;
}

/** What `runtime.config.ts` opens. That file augments this interface, which types every handler's context. */
// oxlint-disable-next-line typescript/no-empty-object-type, typescript/no-empty-interface
export interface Resources {}

/** What belongs to one call. */
export interface Call {
  /** Carries the names of the function and the call. Never log content or secrets. */
  readonly log: Logger;
  /** Aborted when the call's time is up, its caller has gone, or the process must end. */
  readonly signal: AbortSignal;
  /** Whether the process is about to stop: what only waits for something should wait no longer. */
  readonly isStopping: boolean;
  readonly trace: Trace;
  readonly clock: Clock;
  /** Lets work go on after the reply. Its failure is logged; stopping waits for it. */
  defer(work: Promise<unknown>): void;
}

export interface Context extends Resources, Call {}

/** A contract's value that is taken from configuration when the function is mounted. */
export interface FromConfig<T> {
  readonly from: (config: ConfigOf<Resources>) => T;
}
type ConfigOf<R> = R extends { config: infer C } ? C : never;

/** Takes a contract's value from configuration: `concurrency: from((config) => config.mail.workers)`. */
export function from<T>(read: (config: ConfigOf<Resources>) => T): FromConfig<T> {
  return { from: read };
}

export type Setting<T> = T | FromConfig<T>;

/** Reads a setting now that the resources are open. */
export function settle<T>(setting: Setting<T>, resources: Resources): T {
  if (typeof setting === "object" && setting !== null && "from" in setting) {
    return setting.from((resources as { config: ConfigOf<Resources> }).config);
  }
  return setting;
}
