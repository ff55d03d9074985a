import { schedule } from "#runtime";
import { sweepBatches } from "#lib/crm/campaigns/publish.ts";

export default schedule("* * * * * *", {
  summary: "Publish batches of campaigns that are due, and take them back from workers that have ended",
}).handle(async (_tick, ctx) => sweepBatches(ctx));
