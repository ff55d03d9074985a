/** The time zone of the database, for whoever writes times into it by hand. */
import { DatabaseError, escapeIdentifier, escapeLiteral } from "pg";
import type { Logger } from "../../runtime/context.ts";
import type { Database } from "./database.ts";

/**
 * PostgreSQL reads a time without an offset in the time zone of the session. Makes this one the database's, so that it is
 * every session's that sets no other; sessions that are open keep theirs. Of many processes at once one does it. Where
 * this user may not, the log says what to do.
 */
export async function setTimeZone(db: Database, timeZone: string, log: Logger): Promise<void> {
  try {
    await db.transaction(async (tx) => {
      await tx.query("SELECT pg_advisory_xact_lock($1)", [timeZoneLock]);
      const { rows } = await tx.query<{ name: string; current: boolean }>(current, [`TimeZone=${timeZone}`]);
      const [database] = rows;
      if (!database || database.current) return;
      await tx.query(`ALTER DATABASE ${escapeIdentifier(database.name)} SET TimeZone TO ${escapeLiteral(timeZone)}`);
      log.info(
        { time_zone: timeZone },
        "the database has a new time zone, for times that are written without an offset",
      );
    });
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== notAllowed) throw error;
    log.warn(
      { time_zone: timeZone },
      "jobs that are added by SQL may run at another time than meant: this user may not set the database's time zone. " +
        "As its owner run: ALTER DATABASE … SET TimeZone TO '…'",
    );
  }
}

/** `insufficient_privilege`. */
const notAllowed = "42501";
/** Any number that nobody else uses for an advisory lock. */
const timeZoneLock = 7_070_210_717;

const current = `
  SELECT datname AS name, coalesce($1 = ANY (setconfig), FALSE) AS current
  FROM pg_database LEFT JOIN pg_db_role_setting ON setdatabase = pg_database.oid AND setrole = 0
  WHERE datname = current_database()`;
