/** The `schedule` builder: something that runs by the clock, once per tick across all containers. */
import type { Context } from "./context.ts";
import type { Limits } from "./limits.ts";

export interface ScheduleContract extends Omit<Limits, "concurrency"> {
  summary?: string;
  /** IANA time zone that the cron line is read in. Default UTC. */
  timezone?: string;
}

export interface Tick {
  /** The time that the cron line asked for. */
  readonly at: Date;
}

export interface ScheduleFunction {
  readonly kind: "schedule";
  readonly cron: string;
  readonly contract: ScheduleContract;
  handler(tick: Tick, ctx: Context): unknown;
}

/**
 * Makes a schedule function. `cron` has five fields, or six with seconds first. A tick that comes while the last run
 * is still under way in this process is skipped; ticks missed while nothing ran are not made up for.
 *
 * @example
 * export default schedule("0 3 * * *", { timezone: "Asia/Taipei" }).handle(async (_tick, ctx) => tidyUp(ctx));
 */
export function schedule(cron: string, contract: ScheduleContract = {}) {
  return {
    handle(handler: (tick: Tick, ctx: Context) => Promise<void> | void): ScheduleFunction {
      return { kind: "schedule", cron, contract, handler };
    },
  };
}
