import { schedule } from "#runtime";
import { cleanAttachments } from "#lib/mail/clean-attachments.ts";

export default schedule("37 * * * *", {
  summary: "Remove old attachments",
  // Less than stopping waits for; what is left is the next hour's.
  timeLimitMs: 20_000,
}).handle(async (_tick, ctx) => cleanAttachments(ctx));
