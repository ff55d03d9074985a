import { Type } from "typebox";
import { queue } from "#runtime";
import { batchQueue } from "#lib/crm/campaigns/campaign.ts";
import { deliverBatch } from "#lib/crm/campaigns/deliver.ts";

/** A bigint and an integer of PostgreSQL: beyond them it is no message of ours. */
const BatchJob = Type.Object({
  campaign_id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  batch: Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }),
});

export default queue(batchQueue.name, {
  summary: "Send batches of campaigns",
  message: BatchJob,
  // Each has up to 4 pushes under way: together fewer than there are connections to LINE, beyond which it gets slow.
  concurrency: 24,
  timeLimitMs: 60_000,
}).handle(async ({ message, attempt }, ctx) => deliverBatch(ctx, message, attempt));
