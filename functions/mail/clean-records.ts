import { schedule } from "#runtime";
import { cleanRecords } from "#lib/mail/clean-records.ts";

export default schedule("17 * * * *", {
  summary: "Remove old mails, timelines, logs of requests and idempotency keys",
  // Less than stopping waits for; what is left is the next hour's.
  timeLimitMs: 20_000,
}).handle(async (_tick, ctx) => cleanRecords(ctx));
