/** Removes attachments that have had their time, and what a process that was killed has left among them. */
import type { Context } from "../../runtime/context.ts";
import { mailsWithFiles, markRemoved, type RemovedFile } from "./clean-attachments.sql.ts";

const atOnce = 500;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Removes the files of mails that have been final for ATTACHMENT_RETENTION_DAYS; their rows stay, and say so. Then what
 * belongs to no mail and is older than a day. Goes on until all is done or the call's signal aborts; the rest is the
 * next call's. May run while others accept mail, and in several processes.
 */
export async function cleanAttachments(ctx: Context): Promise<void> {
  const { cleaner } = ctx.attachments;
  const now = ctx.clock.now();
  const removed = {
    files: await removeOld(ctx, new Date(now.getTime() - ctx.config.attachments.retentionDays * dayMs)),
    incoming: await cleaner.removeIncoming(new Date(now.getTime() - dayMs)),
    folders: await removeLeftFolders(ctx, now),
    // Every content once a day: nearly all go with the last mail that has them.
    contents: await cleaner.removeContents((byte) => !ctx.signal.aborted && byte % 24 === now.getUTCHours()),
  };
  if (Object.values(removed).some((count) => count > 0)) ctx.log.info(removed, "removed old attachments");
}

async function removeOld(ctx: Context, before: Date): Promise<number> {
  let removed = 0;
  while (!ctx.signal.aborted) {
    const { rows } = await ctx.db.query<RemovedFile>(markRemoved, [before, atOnce]);
    await ctx.attachments.cleaner.removeFiles(rows.map(({ storage_path: path, sha256 }) => ({ path, sha256 })));
    removed += rows.length;
    if (rows.length < atOnce) break;
  }
  return removed;
}

/**
 * Removes folders whose mail was never committed, and those whose files were said to be removed but were not. Looks at
 * the days that are over for a day or two, when a mail of theirs is committed or never will be, and at those past the
 * retention, of which little should be left.
 */
async function removeLeftFolders(ctx: Context, now: Date): Promise<number> {
  const { cleaner } = ctx.attachments;
  const { retentionDays } = ctx.config.attachments;
  const isWanted = (day: Date) => {
    const age = Math.floor((now.getTime() - day.getTime()) / dayMs);
    return !ctx.signal.aborted && (age === 2 || age === 3 || (age > 3 && age > retentionDays));
  };
  let removed = 0;
  const found = new Map<string, string>();
  const removeFound = async () => {
    const { rows } = await ctx.db.query<{ mail_id: string }>(mailsWithFiles, [[...found.keys()]]);
    for (const { mail_id } of rows) found.delete(mail_id);
    for (const folder of found.values()) await cleaner.removeFolder(folder);
    removed += found.size;
    found.clear();
  };
  for await (const { id, folder } of cleaner.mailFolders(isWanted)) {
    found.set(id, folder);
    if (found.size < atOnce) continue;
    await removeFound();
    if (ctx.signal.aborted) break;
  }
  if (found.size > 0) await removeFound();
  return removed;
}
