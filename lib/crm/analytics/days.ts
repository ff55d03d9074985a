/** Keeps the figures of days quick to read. */
import type { Context } from "../../../runtime/context.ts";
import { selectDays, sumChanges, vacuumChanges, type DayCounts } from "./days.sql.ts";
import type { Period } from "./period.ts";

export type { DayCounts } from "./days.sql.ts";

/** Changes summed up in one statement: about 50 ms of work. */
const atOnce = 20_000;
/** From so many removed rows on, reading around them costs more than clearing them away. */
const worthVacuuming = 1000;

/** Sums up what has changed since the last time. The figures are right without it, and slower with each change. */
export async function sumDays({ db, signal }: Pick<Context, "db" | "signal">): Promise<void> {
  let summed = 0;
  let taken: number;
  do {
    const { rows } = await db.query<{ taken: number }>(sumChanges, [atOnce]);
    taken = rows[0]?.taken ?? 0;
    summed += taken;
  } while (taken === atOnce && !signal.aborted);
  if (summed >= worthVacuuming) await db.query(vacuumChanges);
}

/** Each day of a period, also those on which nothing happened. */
export async function readDays(
  { db }: Pick<Context, "db">,
  { start, end }: Pick<Period, "start" | "end">,
): Promise<(DayCounts & { day: string })[]> {
  const { rows } = await db.query<DayCounts & { day: string }>(selectDays, [start, end]);
  return rows;
}
