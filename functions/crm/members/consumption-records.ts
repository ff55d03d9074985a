import { Type } from "typebox";
import { problems } from "#runtime";
import { anyUser } from "#lib/crm/access.ts";
import { listStays } from "#lib/crm/members/stays.ts";
import { PageOf, pageOf, Paging, shown } from "#lib/crm/paging.ts";
import { memberNotFound } from "#lib/crm/problems.ts";
import { crmApi, Day, IdOf, OrNull, Time } from "../_api.ts";

const Record = Type.Object({
  id: Type.Integer(),
  order_number: Type.String(),
  room_type: OrNull(Type.String()),
  amount: Type.Number(),
  check_in_date: OrNull(Day),
  check_out_date: OrNull(Day),
  nights: OrNull(Type.Integer()),
  created_at: Time,
});

export default crmApi
  .get("/api/v1/members/:id/consumption-records", {
    summary: "What a member has stayed and paid, newest first",
    access: anyUser(),
    params: IdOf("member"),
    query: Type.Object(Paging(10)),
    returns: PageOf(Record),
    problems: [memberNotFound, problems.unavailable],
  })
  .handle(async ({ params, query }, ctx) => {
    const page = pageOf(query);
    const found = await listStays(ctx, params.id, page);
    return shown(found, page, (stay) => ({ ...stay, created_at: stay.created_at.toISOString() }));
  });
