/** Keeps the totals of history quick to read. */
import type { Context } from "../../runtime/context.ts";
import { sumChanges, vacuumChanges } from "./totals.sql.ts";

/** Changes summed up in one statement: about 50 ms of work. */
const atOnce = 20_000;
/** From so many removed rows on, reading around them costs more than clearing them away. */
const worthVacuuming = 1000;

/** Sums up what has changed since the last time. The totals are right without it, and slower with each change. */
export async function sumTotals(ctx: Pick<Context, "db" | "signal">): Promise<void> {
  let summed = 0;
  let taken: number;
  do {
    const { rows } = await ctx.db.query<{ taken: number }>(sumChanges, [atOnce]);
    taken = rows[0]?.taken ?? 0;
    summed += taken;
  } while (taken === atOnce && !ctx.signal.aborted);
  if (summed >= worthVacuuming) await ctx.db.query(vacuumChanges);
}
