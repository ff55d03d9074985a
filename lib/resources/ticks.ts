/** Which process runs a schedule's tick. */
import type { Queryable } from "./database.ts";

/** True for exactly one of all processes that ask for this tick: the first whose statement commits. */
export async function claimTick(db: Queryable, name: string, at: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO schedule_ticks (function, at) VALUES ($1, $2)
     ON CONFLICT (function) DO UPDATE SET at = excluded.at WHERE schedule_ticks.at < excluded.at`,
    [name, at],
  );
  return rowCount === 1;
}
