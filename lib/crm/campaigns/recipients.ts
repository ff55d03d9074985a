/** Who a campaign was sent to, and what became of it. */
import type { Context } from "../../../runtime/context.ts";
import type { Found, Page } from "../paging.ts";
import type { RecipientStatus } from "./campaign.ts";
import { countRecipients, selectRecipients, type RecipientRow } from "./recipients.sql.ts";
import { readSettings } from "./store.ts";

export type { RecipientRow } from "./recipients.sql.ts";

/** In the order of members' ids. Throws `campaign_not_found`. */
export async function listRecipients(
  { db }: Pick<Context, "db">,
  id: number,
  status: RecipientStatus | undefined,
  { pageSize, offset }: Page,
): Promise<Found<RecipientRow>> {
  const [, count] = await Promise.all([
    readSettings(db, id),
    db.query<{ total: number }>(countRecipients, [id, status ?? null]),
  ]);
  const total = count.rows[0]?.total ?? 0;
  // Of a million, none would be looked for long.
  if (total <= offset) return { items: [], total };
  const { rows } = await db.query<RecipientRow>(selectRecipients(status), [id, pageSize, offset]);
  return { items: rows, total };
}
