/** What was said, newest first. */
import type { Context } from "../../../runtime/context.ts";
import { hotelZone } from "../hotel-time.ts";
import { memberNotFound } from "../problems.ts";
import { refuseDeep, type Found, type Page } from "../paging.ts";

export interface MessageRow {
  id: number;
  member_id: number;
  member_name: string | null;
  content: string;
  direction: "incoming" | "outgoing";
  message_type: "text" | "image" | "template";
  sender_type: "manual" | "auto" | "campaign" | null;
  status: "scheduled" | "pending" | "sent" | "failed";
  scheduled_at: Date | null;
  read_at: Date | null;
  created_at: Date;
}

export interface MessageFilter {
  memberId?: number | undefined;
  direction?: "incoming" | "outgoing" | undefined;
  /** Days in the hotel's zone, `YYYY-MM-DD`, both included. */
  startDate?: string | undefined;
  endDate?: string | undefined;
}

/** Those of campaigns are not rows of their own: they are looked up by their member. */
const sources = [
  `SELECT id, member_id, content, direction, message_type, sender_type, status, scheduled_at, read_at, created_at FROM messages`,
  `SELECT id, member_id, content, direction, message_type, sender_type, 'sent', NULL, read_at, created_at
   FROM campaign_messages`,
];
const newestFirst = "ORDER BY created_at DESC, id DESC";

type Listing = Pick<Context, "db" | "recentCounts">;

/** Messages of campaigns are among them where one member is asked for. Throws `invalid_request` for a page too deep. */
export async function listMessages(
  { db, recentCounts }: Listing,
  { memberId, direction, startDate, endDate }: MessageFilter,
  page: Page,
): Promise<Found<MessageRow>> {
  refuseDeep(page, "narrow the list by days");
  const values: unknown[] = [];
  const given = (value: unknown) => `$${values.push(value)}`;
  const day = (date: string, more = "") => `(${given(date)}::date${more})::timestamp AT TIME ZONE '${hotelZone}'`;
  const conditions = [
    memberId !== undefined && `member_id = ${given(memberId)}`,
    direction && `direction = ${given(direction)}`,
    startDate && `created_at >= ${day(startDate)}`,
    endDate && `created_at < ${day(endDate, " + 1")}`,
  ].filter(Boolean);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
  const from = (rest = "") =>
    sources
      .slice(0, memberId === undefined ? 1 : undefined)
      .map((source) => `(${source} ${where} ${rest})`)
      .join(" UNION ALL ");
  const filters = [...values];
  // Each of the two is read by its index as far as the page reaches: put together and sorted, they would be read whole.
  const reached = from(`${newestFirst} LIMIT ${given(page.offset + page.pageSize)}`);
  const [found, total] = await Promise.all([
    db.query<MessageRow & Record<string, unknown>>(
      `SELECT message.id::float8 AS id, member_id::float8, content, direction, message_type, sender_type, status,
              scheduled_at, read_at, message.created_at,
              coalesce(nullif(concat(last_name, first_name), ''), line_display_name) AS member_name
       FROM (SELECT * FROM (${reached}) AS message ${newestFirst} LIMIT ${given(page.pageSize)} OFFSET ${given(page.offset)})
         AS message LEFT JOIN members ON members.id = member_id
       ORDER BY message.created_at DESC, message.id DESC`,
      values,
    ),
    recentCounts.of(`messages ${where} ${JSON.stringify(filters)}`, async () => {
      const { rows } = await db.query<{ total: number }>(
        `SELECT count(*)::int AS total FROM (${from()}) AS message`,
        filters,
      );
      return rows[0]?.total ?? 0;
    }),
  ]);
  return { items: found.rows, total };
}

/**
 * Where there is something to mark, the member is held first, as by whoever deletes him with his messages. Where there is
 * not, this writes nothing.
 */
const markRead = `
  WITH unread AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM messages WHERE member_id = $1 AND direction = 'incoming' AND read_at IS NULL) AS is_any
  ),
  held AS MATERIALIZED (SELECT id FROM members WHERE id = $1 AND (SELECT is_any FROM unread) FOR KEY SHARE),
  marked AS (
    UPDATE messages SET read_at = now() FROM held
    WHERE member_id = held.id AND direction = 'incoming' AND read_at IS NULL
  )
  SELECT CASE WHEN is_any THEN EXISTS (SELECT FROM held) ELSE EXISTS (SELECT FROM members WHERE id = $1) END AS is_member
  FROM unread`;

/**
 * All that was said with a member. Whoever reads it has read what the member wrote. Throws `member_not_found`, and
 * `invalid_request` for a page too deep.
 */
export async function readConversation(ctx: Listing, memberId: number, page: Page): Promise<Found<MessageRow>> {
  refuseDeep(page, "read it by days from the list of messages");
  const { rows } = await ctx.db.query<{ is_member: boolean }>(markRead, [memberId]);
  if (!rows[0]?.is_member) throw memberNotFound();
  return await listMessages(ctx, { memberId }, page);
}
