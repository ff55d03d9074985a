/** All kinds of functions, and how the host tells that a default export is one. */
import type { HttpFunction } from "./http.ts";
import type { QueueFunction } from "./queue.ts";
import type { ScheduleFunction } from "./schedule.ts";
import type { SmtpFunction } from "./smtp.ts";

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
