import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { readOverview } from "#lib/crm/analytics/overview.ts";
import { periodOf } from "#lib/crm/analytics/period.ts";
import { crmApi } from "../_api.ts";
import { Change, Count, Days, Rate } from "./_analytics.ts";

const Overview = Type.Object({
  kpi: Type.Object({
    total_messages_sent: Count,
    average_open_rate: Rate,
    average_click_rate: Rate,
    conversion_rate: Rate,
  }),
  trends: Type.Object({
    messages_sent_trend: Change,
    open_rate_trend: Change,
    click_rate_trend: Change,
    conversion_rate_trend: Change,
  }),
});

export default crmApi
  .get("/api/v1/analytics/overview", {
    summary: "The figures of a period at a glance",
    description: `\`total_messages_sent\` counts all messages that were sent in the period: those of campaigns, automatic answers,
and what users wrote. Rates are of what the campaigns of the period were sent to; an open is a recipient's first tap, a
conversion his first stay within 30 days after a click. \`trends\` are changes against the period of the same length just
before, in percent.`,
    access: user(["marketing"]),
    query: Type.Object(Days),
    returns: Overview,
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const { now, changes } = await readOverview(ctx, periodOf(ctx, query));
    return {
      kpi: {
        total_messages_sent: now.messages,
        average_open_rate: now.open_rate,
        average_click_rate: now.click_rate,
        conversion_rate: now.conversion_rate,
      },
      trends: {
        messages_sent_trend: changes.messages,
        open_rate_trend: changes.open_rate,
        click_rate_trend: changes.click_rate,
        conversion_rate_trend: changes.conversion_rate,
      },
    };
  });
