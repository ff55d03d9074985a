/** What triggers need of the host. */
import type { Broker } from "../broker.ts";
import type { Context, Logger, Resources, Tags } from "../context.ts";
import type { Problem } from "../problem.ts";
import type { CallSource, HostCall } from "./call.ts";
import type { Metrics } from "./metrics.ts";
import type { Tracer } from "../trace/span.ts";
import type { TimeLimits } from "./time-limits.ts";

/** Limits of a function whose contract names none. */
export interface Defaults {
  concurrency: number;
  timeLimitMs: number;
  /** Bytes. */
  bodyLimit: number;
}

/** A call of an HTTP function that has been answered. */
export interface AnsweredCall {
  readonly function: string;
  readonly method: string;
  /** The route's pattern: `/api/v1/mail/status/:id`. */
  readonly path: string;
  /** The path's parameters as they were sent. */
  readonly params: Readonly<Record<string, string>> | undefined;
  readonly status: number;
  readonly durationMs: number;
  /** The socket's other end. */
  readonly ip: string | undefined;
  /** Who called, as far as the access rule found out; also of a call that it then refused. */
  readonly caller: unknown;
  /** What the handler returned, before any envelope; undefined for a problem. */
  readonly reply: unknown;
}

export interface Host {
  readonly resources: Resources;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly timeLimits: TimeLimits;
  readonly defaults: Defaults;
  /** Origins whose pages may call the functions. */
  readonly corsOrigins: readonly string[];
  /** Where files that come with forms wait for the end of their call. */
  readonly uploadFolder: string;
  /** Check every reply against its contract: in development and in tests. */
  readonly checkReplies: boolean;
  readonly broker: Broker | undefined;
  newContext(source: CallSource): HostCall & Context;
  /** What a caller should be told of an error that is not a `Problem`; undefined makes it a 500. */
  translate(error: unknown): Problem | undefined;
  /** Whether this process is the one to run a schedule's tick. */
  claimTick(name: string, at: Date): Promise<boolean>;
  /** Where spans go, if they are kept. */
  readonly tracer: Tracer | undefined;
  /** What logs and spans tell of who calls. */
  callerTags(caller: unknown): Tags;
  /** Told of every call of an HTTP function, after its answer. Never throws. */
  readonly onCall: ((call: AnsweredCall) => void) | undefined;
  now(): Date;
  /** Takes over a promise that nobody waits for: its failure is logged, and stopping waits for it. */
  background(work: Promise<unknown>): void;
}
