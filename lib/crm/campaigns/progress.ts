/** How far a campaign is, as it goes on. */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../../runtime/context.ts";
import { isUnavailable } from "../../resources/database.ts";
import { readCampaign } from "./store.ts";
import type { CampaignDetail } from "./store.sql.ts";

/** How often it is looked at, in milliseconds. */
const lookMs = 1000;

export interface Progress extends Pick<
  CampaignDetail,
  "status" | "audience_count" | "sent_count" | "failed_count" | "opened_count" | "clicked_count"
> {
  campaign_id: number;
  paused_at: string | null;
}

/** Tells at once, and then of every change, until the campaign has ended or `ctx.signal` aborts. */
export async function* progressOf(ctx: Context, id: number): AsyncGenerator<{ event: "progress"; data: Progress }> {
  let told = "";
  while (!ctx.signal.aborted) {
    const data = await look(ctx, id);
    if (data) {
      const text = JSON.stringify(data);
      if (text !== told) yield { event: "progress", data };
      told = text;
      // One that is to come may yet begin.
      if (data.status === "sent" || data.status === "failed" || data.status === "cancelled") return;
    }
    await pause(lookMs, undefined, { signal: ctx.signal }).catch(() => {});
  }
}

/** Undefined while PostgreSQL is away. */
async function look(ctx: Context, id: number): Promise<Progress | undefined> {
  try {
    const { status, audience_count, sent_count, failed_count, opened_count, clicked_count, paused_at } =
      await readCampaign(ctx, id);
    const counts = { audience_count, sent_count, failed_count, opened_count, clicked_count };
    return { campaign_id: id, status, ...counts, paused_at: paused_at?.toISOString() ?? null };
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}
