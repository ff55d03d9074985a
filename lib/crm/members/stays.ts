/** What a member has stayed, and paid. */
import type { Context } from "../../../runtime/context.ts";
import type { Found, Page } from "../paging.ts";
import { memberNotFound } from "../problems.ts";

export interface StayRow {
  id: number;
  order_number: string;
  room_type: string | null;
  amount: number;
  check_in_date: string | null;
  check_out_date: string | null;
  nights: number | null;
  created_at: Date;
}

/** Newest stay first. Throws `member_not_found`. */
export async function listStays(
  { db }: Pick<Context, "db">,
  memberId: number,
  { offset, pageSize }: Page,
): Promise<Found<StayRow>> {
  const { rows: counted } = await db.query<{ total: number }>(
    "SELECT (SELECT count(*)::int FROM consumption_records WHERE member_id = members.id) AS total FROM members WHERE id = $1",
    [memberId],
  );
  const [found] = counted;
  if (!found) throw memberNotFound();
  if (offset >= found.total) return { items: [], total: found.total };
  const { rows: items } = await db.query<StayRow>(
    `SELECT id::float8 AS id, order_number, room_type, amount::float8 AS amount, check_in_date::text AS check_in_date,
            check_out_date::text AS check_out_date, nights, created_at
     FROM consumption_records WHERE member_id = $1 ORDER BY check_in_date DESC NULLS LAST, id DESC LIMIT $2 OFFSET $3`,
    [memberId, pageSize, offset],
  );
  return { items, total: found.total };
}
