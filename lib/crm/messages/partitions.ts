/** The partitions of messages, made ahead of their months. */
import { DatabaseError } from "pg";
import type { Context } from "../../../runtime/context.ts";

/** This month's and those that follow. */
const months = 4;
/** `lock_not_available` */
const busy = "55P03";

/**
 * Makes the partitions of this month and the next ones, where they are missing. Gives up, until it is called again,
 * rather than keep others waiting for a lock.
 */
export async function makePartitions({ db, clock, log }: Pick<Context, "db" | "clock" | "log">): Promise<void> {
  const now = clock.now();
  for (let ahead = 0; ahead < months; ahead++) {
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead)).toISOString().slice(0, 10);
    try {
      await db.transaction(async (tx) => {
        await tx.query("SET LOCAL lock_timeout = '2s'");
        const { rows } = await tx.query<{ made: boolean }>("SELECT make_messages_partition($1) AS made", [month]);
        if (rows[0]?.made) log.info({ month }, "made a partition of messages");
      });
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== busy) throw error;
      log.warn({ month }, "a partition of messages has to wait: others are using the table");
    }
  }
}
