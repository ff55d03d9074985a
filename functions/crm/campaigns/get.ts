import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { readCampaign } from "#lib/crm/campaigns/store.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { crmApi, IdOf } from "../_api.ts";
import { CampaignInfo, campaignInfo } from "./_campaign.ts";

export default crmApi
  .get("/api/v1/campaigns/:id", {
    summary: "Show a campaign",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: CampaignInfo,
    problems: [campaignNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => campaignInfo(ctx, await readCampaign(ctx, params.id)));
