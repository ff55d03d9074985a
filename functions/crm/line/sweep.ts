import { schedule } from "#runtime";
import { sweepEvents } from "#lib/crm/line/publish.ts";

export default schedule("* * * * * *", {
  summary: "Publish events of LINE whose time has come, or whose message did not reach the broker",
}).handle(async (_tick, ctx) => sweepEvents(ctx));
