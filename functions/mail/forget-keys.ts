import { schedule } from "#runtime";
import { forgetExpiredKeys } from "#lib/mail/accept.ts";

export default schedule("17 * * * *", { summary: "Forget idempotency keys that are older than a day" }).handle(
  async (_tick, ctx) => forgetExpiredKeys(ctx),
);
