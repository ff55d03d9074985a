import { schedule } from "#runtime";
import { cleanExports } from "#lib/crm/analytics/exports/clean.ts";

export default schedule("23 * * * *", {
  summary: "Remove reports that are a day old",
  // Less than stopping waits for; what is left is the next hour's.
  timeLimitMs: 20_000,
}).handle(async (_tick, ctx) => cleanExports(ctx));
