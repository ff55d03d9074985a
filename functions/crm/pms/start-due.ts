import { schedule } from "#runtime";
import { startDueSync } from "#lib/crm/pms/tasks.ts";

export default schedule("*/10 * * * * *", {
  summary: "Begin a synchronisation with the PMS when PMS_SYNC_INTERVAL has passed",
}).handle(async (_tick, ctx) => startDueSync(ctx));
