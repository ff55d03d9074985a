import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { cannotRender, lineNotSet, overQuota, wrongState } from "#lib/crm/campaigns/problems.ts";
import { sendCampaign } from "#lib/crm/campaigns/send.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { Id, IdOf, saying, Time } from "../_api.ts";

const Begun = Type.Object({
  campaign_id: Id,
  sent_count: Type.Integer({ description: "Recipients that are queued" }),
  sent_at: Time,
});

export default saying("Campaign sent successfully")
  .post("/api/v1/campaigns/:id/send", {
    summary: "Send a draft or a scheduled campaign now",
    description: `Answers once its recipients are frozen; the messages follow, and \`progress\` tells how far they are. What LINE
has left of the month is asked first: if it does not suffice, nothing is sent and the campaign stays as it is.`,
    access: user(["marketing"], { sends: true }),
    params: IdOf("campaign"),
    returns: Begun,
    // A million recipients take seconds, on a busy machine many.
    timeLimitMs: 120_000,
    problems: [campaignNotFound, wrongState, overQuota, cannotRender, lineNotSet, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    const begun = await sendCampaign(ctx, params.id);
    return { ...begun, sent_at: begun.sent_at.toISOString() };
  });
