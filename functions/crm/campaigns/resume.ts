import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { wrongState } from "#lib/crm/campaigns/problems.ts";
import { resume } from "#lib/crm/campaigns/states.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { IdOf, saying } from "../_api.ts";
import { Standing } from "./_campaign.ts";

export default saying("Campaign resumed")
  .post("/api/v1/campaigns/:id/resume", {
    summary: "Go on with a campaign that is held",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: Standing,
    problems: [campaignNotFound, wrongState, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => resume(ctx, params.id));
