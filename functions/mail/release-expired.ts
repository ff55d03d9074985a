import { schedule } from "#runtime";
import { releaseExpired } from "#lib/mail/release.ts";

export default schedule("*/10 * * * * *", { summary: "Take mail back from workers that have ended" }).handle(
  async (_tick, ctx) => void (await releaseExpired(ctx)),
);
