/** Limits that a contract of any kind may set. */
import type { Setting } from "./context.ts";

export interface Limits {
  /** Calls at once in this process; one more is shed (HTTP) or waits (queue). */
  concurrency?: Setting<number>;
  /** Milliseconds until `ctx.signal` aborts; an HTTP caller gets 504 then. */
  timeLimitMs?: Setting<number>;
}
