import { schedule } from "#runtime";
import { sweepExports } from "#lib/crm/analytics/exports/exports.ts";

export default schedule("*/5 * * * * *", {
  summary: "Go on with reports that lost their worker, or whose message did not reach the broker",
}).handle(async (_tick, ctx) => sweepExports(ctx));
