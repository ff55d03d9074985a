/** Holding, resuming and ending a campaign on its way. */
import type { Context } from "../../../runtime/context.ts";
import type { CampaignStatus } from "./campaign.ts";
import { isIn } from "./problems.ts";
import { sweepBatches } from "./publish.ts";
import { readCampaign } from "./store.ts";
import { cancelCampaign, pauseCampaign, resumeCampaign } from "./store.sql.ts";
import { makeDue } from "./sweep.sql.ts";

export interface Standing {
  campaign_id: number;
  status: CampaignStatus;
  /** So far: batches that are with LINE at this moment still count. */
  sent_count: number;
}

/** Ends a scheduled campaign, or one under way: no batch begins after this. Throws `campaign_not_found`, `wrong_state`. */
export async function cancel(ctx: Context, id: number): Promise<Standing> {
  return await change(
    ctx,
    id,
    cancelCampaign,
    "cancelled",
    "only a scheduled one, or one that is being sent, can be cancelled",
  );
}

/** Holds a campaign under way: it stays `sending`, and no batch begins until it is resumed. */
export async function pause(ctx: Context, id: number): Promise<Standing> {
  return await change(
    ctx,
    id,
    pauseCampaign,
    "sending",
    "only one that is being sent, and is not paused, can be paused",
  );
}

export async function resume(ctx: Context, id: number): Promise<Standing> {
  const standing = await change(ctx, id, resumeCampaign, "sending", "only a paused one can be resumed");
  await ctx.db.query(makeDue, [id]);
  ctx.defer(sweepBatches(ctx));
  return standing;
}

async function change(
  ctx: Context,
  id: number,
  statement: string,
  status: CampaignStatus,
  allowed: string,
): Promise<Standing> {
  ctx.tag({ campaign_id: id });
  const { rows } = await ctx.db.query<{ sent_count: number }>(statement, [id]);
  if (rows[0]) return { campaign_id: id, status, ...rows[0] };
  const { status: current, paused_at } = await readCampaign(ctx, id);
  throw isIn(paused_at && current === "sending" ? "paused" : current, allowed);
}
