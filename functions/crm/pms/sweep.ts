import { schedule } from "#runtime";
import { sweepSyncs } from "#lib/crm/pms/tasks.ts";

export default schedule("*/5 * * * * *", {
  summary: "Go on with a synchronisation that stands still",
}).handle(async (_tick, ctx) => sweepSyncs(ctx));
