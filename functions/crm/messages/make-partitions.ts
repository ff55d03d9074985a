import { schedule } from "#runtime";
import { makePartitions } from "#lib/crm/messages/partitions.ts";

export default schedule("29 * * * *", { summary: "Make the partitions of messages for the months ahead" }).handle(
  async (_tick, ctx) => makePartitions(ctx),
);
