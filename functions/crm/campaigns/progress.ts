import { Type } from "typebox";
import { eventsOf, eventStream, problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { progressOf } from "#lib/crm/campaigns/progress.ts";
import { readSettings } from "#lib/crm/campaigns/store.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { crmApi, Id, IdOf, OrNull, Time } from "../_api.ts";
import { CampaignStatus } from "./_campaign.ts";

const Count = Type.Integer();
const Progress = Type.Object({
  campaign_id: Id,
  status: CampaignStatus,
  audience_count: Count,
  sent_count: Count,
  failed_count: Count,
  opened_count: Count,
  clicked_count: Count,
  paused_at: OrNull(Time),
});

export default crmApi
  .get("/api/v1/campaigns/:id/progress", {
    summary: "Follow a campaign while it is sent, as server-sent events",
    description: "An event `progress` at once and with every change; the last one tells how it has ended.",
    access: user(["marketing"]),
    // Each is held for as long as somebody looks on.
    concurrency: 200,
    params: IdOf("campaign"),
    returns: eventsOf(Progress),
    problems: [campaignNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await readSettings(ctx.db, params.id);
    return eventStream(progressOf(ctx, params.id));
  });
