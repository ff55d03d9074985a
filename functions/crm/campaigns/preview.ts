import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { previewCampaign } from "#lib/crm/campaigns/preview.ts";
import { cannotRender } from "#lib/crm/campaigns/problems.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { crmApi, IdOf, OrNull } from "../_api.ts";

const Preview = Type.Object({
  messages: Type.Array(Type.Unknown(), { description: "As LINE gets them" }),
  audience_count: Type.Integer(),
  quota: OrNull(
    Type.Object({
      limit: OrNull(Type.Integer(), { description: "Of the month; null: none" }),
      used: Type.Integer(),
      remaining: OrNull(Type.Integer()),
    }),
    { description: "Null: LINE does not tell at present" },
  ),
});

export default crmApi
  .get("/api/v1/campaigns/:id/preview", {
    summary: "Show what a campaign sends, to how many, and what LINE has left",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    returns: Preview,
    problems: [campaignNotFound, cannotRender, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => previewCampaign(ctx, params.id));
