import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { createCampaign } from "#lib/crm/campaigns/store.ts";
import { crmApi } from "../_api.ts";
import { CampaignInfo, campaignInfo } from "./_campaign.ts";
import { optionalSettings, requiredSettings } from "./_settings.ts";

export default crmApi
  .post("/api/v1/campaigns", {
    summary: "Add a campaign",
    access: user(["marketing"]),
    body: Type.Object({ ...requiredSettings, ...optionalSettings }),
    returns: CampaignInfo,
    problems: [problems.invalidRequest, problems.unavailable],
  })
  .handle(async ({ body, caller }, ctx) => campaignInfo(ctx, await createCampaign(ctx, body, caller.userId)));
