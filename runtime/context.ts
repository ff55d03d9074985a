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

/** Names and values that say which mail, client or version something is about. Never addresses, content or secrets. */
export type Tags = Readonly<Record<string, string | number | undefined>>;

/** A step of a call, while it runs. */
export interface Step {
  /** Adds to what is told of the step. */
  tag(tags: Tags): void;
  /** What went wrong, in a word. A step that throws has failed by itself. */
  fail(code: string): void;
}

export interface StepOptions {
  /** To whom the step speaks: a `client` calls somebody, a `producer` leaves a message. */
  kind?: "client" | "producer";
  tags?: Tags;
  /** The `traceparent` that it belongs to, when that is not the call's own. */
  of?: string | undefined;
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
  /** Adds to every log line of this call from now on, and to its span. */
  tag(tags: Tags): void;
  /** Does a step of the call: where traces are kept, it is a span of its own. */
  step<T>(name: string, options: StepOptions, work: (step: Step) => Promise<T>): Promise<T>;
  /** Begins a trace of its own for something that this call has set off, and returns its `traceparent`. */
  newTrace(name: string, tags: Tags): string;
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
