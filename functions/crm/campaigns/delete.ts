import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { wrongState } from "#lib/crm/campaigns/problems.ts";
import { deleteCampaign } from "#lib/crm/campaigns/store.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { IdOf, Nothing, saying } from "../_api.ts";

export default saying("Campaign deleted successfully")
  .delete("/api/v1/campaigns/:id", {
    summary: "Delete a draft",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: Nothing,
    problems: [campaignNotFound, wrongState, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteCampaign(ctx, params.id);
    return null;
  });
