import { schedule } from "#runtime";
import { publishStranded } from "#lib/mail/publish.ts";

export default schedule("* * * * * *", {
  summary: "Publish mail whose time has come, or whose message did not reach the broker",
}).handle(async (_tick, ctx) => publishStranded(ctx));
