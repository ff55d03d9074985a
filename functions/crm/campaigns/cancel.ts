import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { wrongState } from "#lib/crm/campaigns/problems.ts";
import { cancel } from "#lib/crm/campaigns/states.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { Standing } from "./_campaign.ts";

export default saying("Campaign cancelled")
  .post("/api/v1/campaigns/:id/cancel", {
    summary: "End a scheduled campaign, or one that is being sent",
    description: "Batches that are with LINE at this moment still arrive; none begins after this.",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: Standing,
    problems: [campaignNotFound, wrongState, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => cancel(ctx, params.id));
