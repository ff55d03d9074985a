/** Removes records that have had their time: mails, their timelines, the log of requests, idempotency keys. */
import type { Context } from "../../runtime/context.ts";
import { firstPlace, removeLogs, removeMails, removeOrphans, type MailPlace } from "./clean-records.sql.ts";
import { forgetExpiredKeys } from "./idempotency.ts";
import { forgetStatus } from "./status.ts";

/** Rows in one statement: some 50 ms of work. */
const atOnce = 1000;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Removes what is older than the configuration keeps, in small statements, until all is done or the call's signal
 * aborts; the rest is the next call's. Mails go when they have been final for MAIL_RETENTION_DAYS and their files are
 * off the disk; with 0 they stay for ever.
 */
export async function cleanRecords(ctx: Context): Promise<void> {
  const { mailRetentionDays, apiLogRetentionDays } = ctx.config;
  const before = (days: number) => new Date(ctx.clock.now().getTime() - days * dayMs);
  // First, so that no key outlives the mail that it stands for.
  await forgetExpiredKeys(ctx);
  const removed = { mails: 0, events: 0, api_logs: 0 };
  const logs = logCleaner(ctx, before(apiLogRetentionDays), removed);
  const mailsAndEvents = [
    mailCleaner(ctx, before(mailRetentionDays), removed),
    orphanCleaner(ctx, before(mailRetentionDays), removed),
  ];
  // In turns, so that a great many old rows of one kind do not keep the others.
  let cleaners = mailRetentionDays === 0 ? [logs] : [logs, ...mailsAndEvents];
  while (cleaners.length > 0 && !ctx.signal.aborted) {
    const unfinished: Cleaner[] = [];
    for (const clean of cleaners) if (await clean()) unfinished.push(clean);
    cleaners = unfinished;
  }
  if (Object.values(removed).some((count) => count > 0)) ctx.log.info(removed, "removed old records");
}

/** Removes one batch, and tells whether there may be more. */
type Cleaner = () => Promise<boolean>;
type Removed = Record<"mails" | "events" | "api_logs", number>;

function mailCleaner(ctx: Context, before: Date, removed: Removed): Cleaner {
  let from = firstPlace;
  return async () => {
    const { rows } = await ctx.db.query<{ ids: string[]; last: MailPlace | null }>(removeMails, [
      before,
      from.created_at,
      from.id,
      atOnce,
    ]);
    const { ids = [], last = null } = rows[0] ?? {};
    for (const id of ids) forgetStatus(ctx, id);
    removed.mails += ids.length;
    from = last ?? from;
    return last !== null;
  };
}

function orphanCleaner(ctx: Context, before: Date, removed: Removed): Cleaner {
  let from = "0";
  return async () => {
    const values = [before, from, atOnce];
    const { rows } = await ctx.db.query<{ removed: number; last: string | null }>(removeOrphans, values);
    const [found] = rows;
    removed.events += found?.removed ?? 0;
    from = found?.last ?? from;
    return found !== undefined && found.last !== null;
  };
}

function logCleaner(ctx: Context, before: Date, removed: Removed): Cleaner {
  return async () => {
    const { rowCount } = await ctx.db.query(removeLogs, [before, atOnce]);
    removed.api_logs += rowCount ?? 0;
    return rowCount === atOnce;
  };
}
