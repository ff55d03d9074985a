import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { PageOf, pageOf, Paging, shown } from "#lib/crm/paging.ts";
import { listReviews, type Review } from "#lib/crm/pms/reviews.ts";
import { crmApi, OrNull, Time } from "../_api.ts";

const text = OrNull(Type.String());

const ReviewInfo = Type.Object({
  id: Type.Integer(),
  reason: Type.String({
    description: "phone_of_several: members have the phone; phone_of_another_guest: the member with it is one already",
  }),
  external_id: Type.String({ description: "The PMS's id of the guest" }),
  first_name: text,
  last_name: text,
  gender: text,
  birthday: text,
  email: text,
  phone: text,
  has_id_number: Type.Boolean(),
  waiting_stays: Type.Integer({ description: "Stays that wait for the decision" }),
  candidates: Type.Array(
    Type.Object({
      id: Type.Integer(),
      line_display_name: text,
      first_name: text,
      last_name: text,
      email: text,
      phone: text,
    }),
  ),
  created_at: Time,
});

export default crmApi
  .get("/api/v1/pms/reviews", {
    summary: "List guests of the PMS who could be more than one member",
    access: user(["marketing"]),
    query: Type.Object(Paging()),
    returns: PageOf(ReviewInfo),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    return shown(await listReviews(ctx, page), page, reviewInfo);
  });

function reviewInfo({ id, reason, record, candidates, waitingStays, createdAt }: Review) {
  const { id: external_id, id_number, updated_at: _time, ...guest } = record;
  const about = { has_id_number: id_number !== null, waiting_stays: waitingStays, candidates };
  return { id, reason, external_id, ...guest, ...about, created_at: createdAt.toISOString() };
}
