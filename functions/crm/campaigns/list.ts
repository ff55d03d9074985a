import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { listCampaigns } from "#lib/crm/campaigns/store.ts";
import { pageOf, PageOf, Paging, shown } from "#lib/crm/paging.ts";
import { crmApi, Day } from "../_api.ts";
import { CampaignItem, campaignItem, CampaignStatus } from "./_campaign.ts";

const Count = Type.Integer();
const Summary = Type.Object(
  { total: Count, sent: Count, scheduled: Count, draft: Count },
  { description: "Of all states" },
);

export default crmApi
  .get("/api/v1/campaigns", {
    summary: "List campaigns, newest first",
    access: user(["marketing"]),
    query: Type.Object({
      status: Type.Optional(CampaignStatus),
      start_date: Type.Optional(Day),
      end_date: Type.Optional(Day),
      ...Paging(),
    }),
    returns: Type.Object({ ...PageOf(CampaignItem).properties, summary: Summary }),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const page = pageOf(query);
    const { summary, ...found } = await listCampaigns(ctx, query, page);
    return { ...shown(found, page, campaignItem), summary };
  });
