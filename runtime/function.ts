/** What every kind of function has in common, and how the host tells that a default export is one. */
import type { Setting } from "./context.ts";
import type { HttpFunction } from "./http.ts";
import type { QueueFunction } from "./queue.ts";
import type { ScheduleFunction } from "./schedule.ts";
import type { SmtpFunction } from "./smtp.ts";

export interface Limits {
  /** Calls at once in this process; one more is shed (HTTP) or waits (queue). */
  concurrency?: Setting<number>;
  /** Milliseconds until `ctx.signal` aborts; an HTTP caller gets 504 then. */
  timeLimitMs?: Setting<number>;
}

export type AnyFunction = HttpFunction | QueueFunction | ScheduleFunction | SmtpFunction;
export type Kind = AnyFunction["kind"];

const kinds: ReadonlySet<unknown> = new Set<Kind>(["http", "queue", "schedule", "smtp"]);

/** Whether a module's default export came from one of the builders. */
export function isFunction(value: unknown): value is AnyFunction {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    kinds.has(value.kind) &&
    "handler" in value &&
    typeof value.handler === "function"
  );
}
