import { schedule } from "#runtime";
import { startDue } from "#lib/crm/campaigns/send.ts";

export default schedule("*/5 * * * * *", {
  summary: "Send scheduled campaigns whose time has come",
  // A million recipients are frozen in seconds, on a busy machine in many.
  timeLimitMs: 5 * 60_000,
}).handle(async (_tick, ctx) => startDue(ctx));
