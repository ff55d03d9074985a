import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { wrongState } from "#lib/crm/campaigns/problems.ts";
import { updateCampaign } from "#lib/crm/campaigns/store.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { crmApi, IdOf } from "../_api.ts";
import { CampaignInfo, campaignInfo } from "./_campaign.ts";
import { optionalSettings, requiredSettings } from "./_settings.ts";

export default crmApi
  .put("/api/v1/campaigns/:id", {
    summary: "Change a draft or a scheduled campaign",
    description: "What is left out stays as it is.",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    body: Type.Object({ ...Type.Partial(Type.Object(requiredSettings)).properties, ...optionalSettings }),
    returns: CampaignInfo,
    problems: [problems.invalidRequest, campaignNotFound, wrongState, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => campaignInfo(ctx, await updateCampaign(ctx, params.id, body)));
