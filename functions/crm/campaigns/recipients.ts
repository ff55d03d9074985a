import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { recipientStatuses } from "#lib/crm/campaigns/campaign.ts";
import { listRecipients } from "#lib/crm/campaigns/recipients.ts";
import { pageOf, PageOf, Paging, shown } from "#lib/crm/paging.ts";
import { campaignNotFound } from "#lib/crm/problems.ts";
import { crmApi, Id, IdOf, OrNull, Time } from "../_api.ts";

const Status = Type.Enum([...recipientStatuses]);
const Recipient = Type.Object({
  member: Type.Object({ id: Id, name: OrNull(Type.String()), email: OrNull(Type.String()) }),
  sent_at: OrNull(Time),
  opened_at: OrNull(Time, { description: "The first tap: LINE tells nobody's opening" }),
  clicked_at: OrNull(Time),
  status: Status,
  error_message: OrNull(Type.String()),
});

export default crmApi
  .get("/api/v1/campaigns/:id/recipients", {
    summary: "List the recipients of a campaign that has been sent, or is being sent",
    access: user(["marketing"]),
    params: IdOf("campaign"),
    query: Type.Object({ status: Type.Optional(Status), ...Paging() }),
    returns: PageOf(Recipient),
    problems: [campaignNotFound, problems.unavailable],
  })
  .handle(async ({ params, query }, ctx) => {
    const page = pageOf(query);
    const time = (at: Date | null) => at?.toISOString() ?? null;
    return shown(await listRecipients(ctx, params.id, query.status, page), page, (row) => ({
      member: { id: row.member_id, name: row.name, email: row.email },
      sent_at: time(row.sent_at),
      opened_at: time(row.opened_at),
      clicked_at: time(row.clicked_at),
      status: row.status,
      error_message: row.error_message,
    }));
  });
