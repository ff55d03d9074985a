/** What triggers need of the host. */
import type { Broker } from "../broker.ts";
import type { Context, Logger, Resources } from "../context.ts";
import type { Problem } from "../problem.ts";
import type { CallSource, HostCall } from "./call.ts";
import type { Metrics } from "./metrics.ts";
import type { TimeLimits } from "./time-limits.ts";

/** Limits of a function whose contract names none. */
export interface Defaults {
  concurrency: number;
  timeLimitMs: number;
  /** Bytes. */
  bodyLimit: number;
}

export interface Host {
  readonly resources: Resources;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly timeLimits: TimeLimits;
  readonly defaults: Defaults;
  /** Check every reply against its contract: in development and in tests. */
  readonly checkReplies: boolean;
  readonly broker: Broker | undefined;
  newContext(source: CallSource): HostCall & Context;
  /** What a caller should be told of an error that is not a `Problem`; undefined makes it a 500. */
  translate(error: unknown): Problem | undefined;
  /** Whether this process is the one to run a schedule's tick. */
  claimTick(name: string, at: Date): Promise<boolean>;
  now(): Date;
  /** Takes over a promise that nobody waits for: its failure is logged, and stopping waits for it. */
  background(work: Promise<unknown>): void;
}
