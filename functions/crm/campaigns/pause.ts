import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { wrongState } from "#lib/crm/campaigns/problems.ts";
import { pause } from "#lib/crm/campaigns/states.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { Standing } from "./_campaign.ts";

export default saying("Campaign paused")
  .post("/api/v1/campaigns/:id/pause", {
    summary: "Hold a campaign that is being sent",
    description: "It stays `sending`, with `paused_at`; batches that are with LINE at this moment still arrive.",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: Standing,
    problems: [campaignNotFound, wrongState, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => pause(ctx, params.id));
