/** Removes reports a day after they were made, and what ended workers have left. */
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../../../../runtime/context.ts";
import { codeOf } from "../../../resources/disk.ts";
import { keptHours, reportFolder } from "./export.ts";
import { removeEnded } from "./exports.sql.ts";

const atOnce = 1000;
/** A file is written before its report is recorded as completed. */
const marginHours = 1;

export async function cleanExports(ctx: Context): Promise<void> {
  while (!ctx.signal.aborted) if ((await ctx.db.query(removeEnded, [atOnce])).rowCount !== atOnce) break;
  const before = ctx.clock.now().getTime() - (keptHours + marginHours) * 60 * 60 * 1000;
  const folder = reportFolder(ctx);
  let removed = 0;
  for (const name of await names(folder)) {
    if (ctx.signal.aborted) return;
    if (await removeOld(join(folder, name), before)) removed++;
  }
  if (removed > 0) ctx.log.info({ files: removed }, "removed old reports");
}

/** None where no report has ever been made. */
async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function removeOld(path: string, before: number): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (mtimeMs >= before) return false;
    await unlink(path);
    return true;
  } catch (error) {
    // Renamed, or removed by another process.
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
