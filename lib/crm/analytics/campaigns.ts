/** What campaigns have come to. */
import type { Context } from "../../../runtime/context.ts";
import * as sql from "./campaigns.sql.ts";
import type { CampaignCounts, CampaignResult } from "./campaigns.sql.ts";
import { rate } from "./rates.ts";
import type { Period } from "./period.ts";

export type { CampaignCounts, CampaignResult } from "./campaigns.sql.ts";

type Days = Pick<Period, "start" | "end">;

export async function sumCampaigns({ db }: Pick<Context, "db">, { start, end }: Days): Promise<CampaignCounts> {
  const { rows } = await db.query<CampaignCounts>(sql.sumCampaigns, [start, end]);
  return rows[0] ?? { sent: 0, opened: 0, clicked: 0, converted: 0 };
}

/** Those that were sent in the period, newest first: `limit` of them, after another one or from the newest. */
export async function listResults(
  { db }: Pick<Context, "db">,
  { start, end }: Days,
  limit: number,
  after?: Pick<CampaignResult, "id" | "sent_at">,
): Promise<CampaignResult[]> {
  const values = [start, end, limit, after?.sent_at ?? null, after?.id ?? null];
  return (await db.query<CampaignResult>(sql.selectCampaigns, values)).rows;
}

export async function countResults({ db }: Pick<Context, "db">, { start, end }: Days): Promise<number> {
  return (await db.query<{ count: number }>(sql.countCampaigns, [start, end])).rows[0]?.count ?? 0;
}

/** Of the recipients that it was sent to. */
export function ratesOf({ sent, opened, clicked, converted }: CampaignCounts) {
  return { open_rate: rate(opened, sent), click_rate: rate(clicked, sent), conversion_rate: rate(converted, sent) };
}
