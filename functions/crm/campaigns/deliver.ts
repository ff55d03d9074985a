import { Type } from "typebox";
import { queue } from "#runtime";
import { batchQueue } from "#lib/crm/campaigns/campaign.ts";
import { deliverBatch } from "#lib/crm/campaigns/deliver.ts";

const BatchJob = Type.Object({ campaign_id: Type.Integer({ minimum: 1 }), batch: Type.Integer({ minimum: 0 }) });

export default queue(batchQueue.name, {
  summary: "Send batches of campaigns",
  message: BatchJob,
  // Each has up to 4 pushes under way: together fewer than there are connections to LINE, beyond which it gets slow.
  concurrency: 24,
  timeLimitMs: 60_000,
}).handle(async ({ message, attempt }, ctx) => deliverBatch(ctx, message, attempt));
