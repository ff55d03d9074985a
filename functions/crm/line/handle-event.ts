import { Type } from "typebox";
import { queue } from "#runtime";
import { handleEvent } from "#lib/crm/line/handle.ts";
import { eventQueue } from "#lib/crm/line/publish.ts";

export default queue(eventQueue.name, {
  summary: "Do what an event of LINE asks for",
  message: Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
  // Most of an event's time is LINE's; what they write goes together.
  concurrency: 50,
  // Less than the lease, so that a call is over before its event is given to another one.
  timeLimitMs: 45_000,
}).handle(async ({ message, attempt }, ctx) => handleEvent(ctx, message.id, attempt));
