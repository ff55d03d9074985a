/** Takes mail back from workers that ended in the middle of an attempt. */
import type { Context } from "../../runtime/context.ts";
import { forgetStatus } from "./status.ts";
import { releaseLeases } from "./sweep.sql.ts";

const releaseSize = 1000;
/** A mail that has cost so many attempts is no provider's fault: something about it ends its workers. */
const mostAttempts = 25;

/**
 * Releases the leases that have run out. `all` releases every lease: right only where no other worker can be alive,
 * as at the start of a system whose database belongs to this one process.
 */
export async function releaseExpired(
  ctx: Pick<Context, "db" | "config" | "log" | "cache" | "mailMetrics">,
  { all = false } = {},
): Promise<number> {
  let released = 0;
  for (;;) {
    const { rows } = await ctx.db.query<{ id: string; attempt: number; status: "queued" | "failed" }>(releaseLeases, [
      releaseSize,
      ctx.config.unknownOutcome,
      mostAttempts,
      all,
    ]);
    // Not written but dropped: the row has more than is known here.
    for (const { id } of rows) forgetStatus(ctx, id);
    released += rows.length;
    if (rows.length < releaseSize) break;
  }
  ctx.mailMetrics.released(released);
  if (released > 0) ctx.log.warn({ released }, "attempts whose outcome cannot be known were taken back");
  return released;
}
