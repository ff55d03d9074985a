import { schedule } from "#runtime";
import { cleanEvents } from "#lib/crm/line/clean.ts";

export default schedule("47 * * * *", {
  summary: "Remove events of LINE that were handled long ago",
  // Less than stopping waits for; what is left is the next hour's.
  timeLimitMs: 20_000,
}).handle(async (_tick, ctx) => cleanEvents(ctx));
