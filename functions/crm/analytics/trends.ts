import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { periodOf } from "#lib/crm/analytics/period.ts";
import { metrics, metricsOf, readTrends } from "#lib/crm/analytics/trends.ts";
import { crmApi } from "../_api.ts";
import { Days } from "./_analytics.ts";

const name = `(?:${metrics.join("|")})`;

export default crmApi
  .get("/api/v1/analytics/trends", {
    summary: "Figures of each day, for a chart",
    description: `Every day of the period has its figures: \`sent\` are messages of all kinds, \`opened\` and \`clicked\` first opens and
clicks of campaigns on the day of the tap, \`converted\` the stays that followed, on the day of the check-in.`,
    access: user(["marketing"]),
    query: Type.Object({
      metric: Type.Optional(
        Type.String({
          pattern: `^${name}(?:,${name}){0,9}$`,
          description: `Any of ${metrics.join(", ")}, with commas between them. Without it, all`,
        }),
      ),
      ...Days,
    }),
    returns: Type.Object({
      dates: Type.Array(Type.String({ format: "date" })),
      series: Type.Array(Type.Object({ name: Type.String(), data: Type.Array(Type.Integer()) })),
    }),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => readTrends(ctx, periodOf(ctx, query), metricsOf(query.metric)));
