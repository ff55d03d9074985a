import { schedule } from "#runtime";
import { sendDue } from "#lib/crm/messages/deliver.ts";

export default schedule("* * * * * *", {
  summary: "Send messages whose time has come, and those that LINE did not take at first",
  timeLimitMs: 20_000,
}).handle(async (_tick, ctx) => sendDue(ctx));
