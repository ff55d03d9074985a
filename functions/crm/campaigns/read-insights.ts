import { schedule } from "#runtime";
import { readInsights } from "#lib/crm/campaigns/insight.ts";

export default schedule("20 * * * *", {
  summary: "Keep LINE's own figures of recent campaigns",
  timeLimitMs: 10 * 60_000,
}).handle(async (_tick, ctx) => readInsights(ctx));
