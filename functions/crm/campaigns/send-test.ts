import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { cannotRender, lineNotSet } from "#lib/crm/campaigns/problems.ts";
import { testCampaign } from "#lib/crm/campaigns/test-send.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { Id, IdOf, OrNull, saying } from "../_api.ts";

const Tested = Type.Object({
  campaign_id: Id,
  sent_count: Type.Integer(),
  results: Type.Array(
    Type.Object({ member_id: Id, status: Type.Enum(["sent", "failed"]), error_message: OrNull(Type.String()) }),
  ),
});

export default saying("Test messages sent")
  .post("/api/v1/campaigns/:id/test", {
    summary: "Send a campaign to a few members, before everybody gets it",
    description: "As it is now, whatever its audience. It counts nowhere.",
    access: user(["marketing"], { sends: true }),
    params: IdOf("campaign"),
    body: Type.Object({ member_ids: Type.Array(Id, { minItems: 1, maxItems: 20 }) }),
    returns: Tested,
    problems: [problems.invalidRequest, campaignNotFound, cannotRender, lineNotSet, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => {
    const results = await testCampaign(ctx, params.id, body.member_ids);
    const sent_count = results.filter(({ status }) => status === "sent").length;
    return { campaign_id: params.id, sent_count, results };
  });
