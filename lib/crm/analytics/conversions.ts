/** Counts the stays that followed a click. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";
import { countConversions, limitPatience, takeTurn, vacuumChecks } from "./conversions.sql.ts";

/** Members in one transaction: some 0.2 s. */
const atOnce = 5000;
const worthVacuuming = 1000;
/** "lock_not_available": https://www.postgresql.org/docs/current/errcodes-appendix.html */
const lockTimeout = "55P03";

/** Looks at all members whose clicks or stays have changed. What is left of it, because others wait, is the next call's. */
export async function checkConversions(ctx: Pick<Context, "db" | "signal" | "log">): Promise<void> {
  let looked = 0;
  let taken: number;
  do {
    taken = await checkSome(ctx);
    looked += taken;
  } while (taken === atOnce && !ctx.signal.aborted);
  if (looked >= worthVacuuming) await ctx.db.query(vacuumChecks);
}

async function checkSome({ db, log }: Pick<Context, "db" | "log">): Promise<number> {
  try {
    return await db.transaction(async (tx) => {
      await tx.query(limitPatience);
      const { rows } = await tx.query<{ held: boolean }>(takeTurn);
      if (!rows[0]?.held) return 0;
      return (await tx.query<{ taken: number }>(countConversions, [atOnce])).rows[0]?.taken ?? 0;
    });
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === lockTimeout)) throw error;
    log.debug("conversions are counted later: their campaigns are busy");
    return 0;
  }
}
