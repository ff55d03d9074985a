import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { listResults, ratesOf } from "#lib/crm/analytics/campaigns.ts";
import { periodOf } from "#lib/crm/analytics/period.ts";
import { crmApi } from "../_api.ts";
import { Count, Days, Rate } from "./_analytics.ts";

const Performance = Type.Object({
  campaign_id: Type.Integer(),
  title: Type.String(),
  sent_count: Count,
  opened_count: Count,
  clicked_count: Count,
  conversion_count: Count,
  open_rate: Rate,
  click_rate: Rate,
  conversion_rate: Rate,
});

export default crmApi
  .get("/api/v1/analytics/campaign-performance", {
    summary: "What the campaigns of a period have come to, the newest first",
    description: "Those that were sent in the period, with all that has followed until now. Rates are of `sent_count`.",
    access: user(["marketing"]),
    query: Type.Object({ ...Days, limit: Type.Integer({ minimum: 1, maximum: 100, default: 10 }) }),
    returns: Type.Array(Performance),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const results = await listResults(ctx, periodOf(ctx, query), query.limit);
    return results.map((result) => ({
      campaign_id: result.id,
      title: result.title,
      sent_count: result.sent,
      opened_count: result.opened,
      clicked_count: result.clicked,
      conversion_count: result.converted,
      ...ratesOf(result),
    }));
  });
