/** What a campaign would be, before it is sent. */
import type { messagingApi } from "@line/bot-sdk";
import type { Context } from "../../../runtime/context.ts";
import type { LineQuota } from "../../resources/line-reads.ts";
import { LineUnavailable } from "../../resources/line-reads.ts";
import { renderTemplate } from "../templates/render.ts";
import { linksOf } from "../tracking/link.ts";
import { assertRenders, audienceCount } from "./send.ts";
import { readCampaign, templateOf } from "./store.ts";
import type { Condition } from "./audience.ts";
import { audienceCondition } from "./audience.ts";

export interface Preview {
  /** As LINE would get them: with the links of the first of the audience, where each has his own. */
  messages: messagingApi.Message[];
  /** Now; of a campaign that has begun, its recipients. */
  audience_count: number;
  /** Null: LINE does not tell at present. */
  quota: LineQuota | null;
}

/** Throws `campaign_not_found`, `cannot_render`. */
export async function previewCampaign(ctx: Context, id: number): Promise<Preview> {
  const campaign = await readCampaign(ctx, id);
  const template = await templateOf(ctx, campaign);
  assertRenders(template);
  const hasBegun = campaign.sent_template !== null;
  const [audience_count, quota, somebody] = await Promise.all([
    hasBegun ? campaign.audience_count : audienceCount(ctx, campaign),
    quotaOf(ctx),
    campaign.tracking === "member" ? firstOf(ctx, audienceCondition(campaign, ctx.clock.now())) : null,
  ]);
  const link = linksOf(ctx, id)(campaign.tracking === "member" ? (somebody ?? 0) : null);
  return { messages: renderTemplate(template, link), audience_count, quota };
}

async function firstOf({ db }: Context, { sql, values }: Condition): Promise<number | null> {
  const { rows } = await db.query<{ id: number }>(
    `SELECT m.id::float8 AS id FROM members AS m WHERE ${sql} ORDER BY m.id LIMIT 1`,
    values,
  );
  return rows[0]?.id ?? null;
}

async function quotaOf({ line, log }: Context): Promise<LineQuota | null> {
  if (!line) return null;
  try {
    return await line.quota();
  } catch (error) {
    if (!(error instanceof LineUnavailable)) throw error;
    log.warn({ err: error }, "LINE did not tell its quota");
    return null;
  }
}
