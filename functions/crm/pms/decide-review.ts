import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { pmsIsBusy, reviewIsDecided, reviewNotFound } from "#lib/crm/pms/problems.ts";
import { decideReview } from "#lib/crm/pms/reviews.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { crmApi, Id, IdOf } from "../_api.ts";

export default crmApi
  .post("/api/v1/pms/reviews/:id", {
    summary: "Say who a guest of the PMS is: a member, or a new one",
    description: "The member gets what the PMS says of the guest, and the stays that have waited.",
    access: user(),
    params: IdOf("review"),
    body: Type.Union([
      Type.Object({ member_id: Id }, { additionalProperties: false }),
      Type.Object({ create: Type.Literal(true) }, { additionalProperties: false }),
    ]),
    returns: Type.Object({ id: Type.Integer(), member_id: Type.Integer() }),
    problems: [reviewNotFound, reviewIsDecided, memberNotFound, pmsIsBusy, problems.unavailable],
  })
  .handle(async ({ params, body, caller }, ctx) => {
    const memberId = "member_id" in body ? body.member_id : undefined;
    const decided = await decideReview(ctx, params.id, { memberId, userId: caller.userId });
    return { id: params.id, member_id: decided.memberId };
  });
