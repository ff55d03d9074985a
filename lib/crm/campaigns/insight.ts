/** LINE's own figures of what was sent, kept beside ours. */
import type { Context } from "../../../runtime/context.ts";
import { LineUnavailable } from "../../resources/line-reads.ts";
import { unitOf } from "./campaign.ts";

/** For how long LINE's figures of a campaign are followed; it tells of at most 30 days at once. */
const followedDays = 14;

/** Days as LINE counts them, in Japan. https://developers.line.biz/en/reference/messaging-api/#get-statistics-per-unit */
const selectFollowed = `
  SELECT id::float8 AS id, to_char(sent_at AT TIME ZONE 'Asia/Tokyo', 'YYYYMMDD') AS first,
    to_char(now() AT TIME ZONE 'Asia/Tokyo', 'YYYYMMDD') AS last
  FROM campaigns WHERE sent_at > now() - $1 * interval '1 day' AND sent_count > 0
  ORDER BY sent_at DESC LIMIT 200`;

/** Asks for the figures of recent campaigns. What LINE does not tell is null, and stays so. */
export async function readInsights(ctx: Context): Promise<void> {
  const { line, db } = ctx;
  if (!line) return;
  const { rows } = await db.query<{ id: number; first: string; last: string }>(selectFollowed, [followedDays]);
  for (const { id, first, last } of rows) {
    if (ctx.signal.aborted) return;
    try {
      const { overview } = await line.unitInsight(unitOf(id), first, last);
      await db.query("UPDATE campaigns SET line_insight = $2 WHERE id = $1", [id, JSON.stringify(overview)]);
    } catch (error) {
      if (!(error instanceof LineUnavailable)) throw error;
      ctx.log.warn({ err: error, campaign_id: id }, "LINE did not tell a campaign's figures");
      // Without an answer at all, the others would wait for nothing.
      if (error.status === 0) return;
    }
  }
}
