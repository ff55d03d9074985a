/** Removes what is only there for its way: events, and deliveries of single messages. */
import type { Context } from "../../../runtime/context.ts";
import { removeSettled } from "../messages/deliver.sql.ts";
import { removeHandled } from "./events.sql.ts";

/** LINE sends an event again for hours at most; people look for longer at what went wrong. */
const keptDays = 30;
const atOnce = 1000;

/** In small statements, until all is done or the call's time is up; the rest is the next call's. */
export async function cleanEvents({ db, clock, log, signal }: Context): Promise<void> {
  const before = new Date(clock.now().getTime() - keptDays * 24 * 60 * 60 * 1000);
  for (const [what, sql] of Object.entries({ events: removeHandled, deliveries: removeSettled })) {
    let removed = 0;
    while (!signal.aborted) {
      const { rowCount } = await db.query(sql, [before, atOnce]);
      removed += rowCount ?? 0;
      if (rowCount !== atOnce) break;
    }
    if (removed > 0) log.info({ [what]: removed }, "removed old records of LINE");
  }
}
