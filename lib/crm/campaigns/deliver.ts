/** One attempt at one batch: claim, send, settle. */
import type { Outcome } from "../../../runtime/broker.ts";
import type { Context } from "../../../runtime/context.ts";
import { isUnavailable } from "../../resources/database.ts";
import { linksOf } from "../tracking/link.ts";
import { prepareTemplate } from "../templates/render.ts";
import type { Template } from "../templates/template.ts";
import type { Batch, Recipient, Result } from "./attempt.ts";
import * as sql from "./batches.sql.ts";
import { unitOf, type BatchJob } from "./campaign.ts";
import { sendMulticast } from "./multicast.ts";
import { publishBatches } from "./publish.ts";
import { pushEach } from "./push-each.ts";
import { lineOf } from "./send.ts";

/** How long is waited between tries while PostgreSQL is away, in milliseconds. */
const awayPauseMs = 250;
/** How often a lease is renewed, in milliseconds. */
const renewMs = 4000;

/**
 * Makes attempt number `attempt` at a batch, if it is that attempt's turn; a message that comes twice or late does
 * nothing. What is sent, and under which key, is committed before; the outcome is when this returns.
 */
export async function deliverBatch(ctx: Context, { campaign_id, batch }: BatchJob, attempt: number): Promise<Outcome> {
  ctx.tag({ campaign_id, batch });
  const line = lineOf(ctx);
  const fence = { campaign_id, batch, attempt };
  const [claimed] = (await persist(ctx, () => ctx.db.batch(sql.claimBatches, fence))) ?? [];
  if (!claimed) return { kind: "done" };
  const release = keepLease(ctx, fence);
  try {
    const work = await batchOf(ctx, campaign_id, claimed);
    const byPush = claimed.tracking === "member" || claimed.singly;
    await settle(ctx, fence, await (byPush ? pushEach(ctx, line, work) : sendMulticast(ctx, line, work)));
  } finally {
    release();
  }
  return { kind: "done" };
}

async function batchOf(ctx: Context, campaignId: number, claimed: sql.Claimed): Promise<Batch> {
  const range = [campaignId, claimed.first_member, claimed.last_member];
  const { rows: recipients } = await ctx.db.query<Recipient>(sql.selectRecipients, range);
  const links = linksOf(ctx, campaignId);
  const byMember = claimed.tracking === "member";
  const prepared = prepareTemplate(claimed.template as Template);
  return {
    retryKey: claimed.retry_key,
    tries: claimed.tries,
    fresh: claimed.fresh,
    recipients,
    json: (memberId) => prepared.json(links(byMember ? memberId : null)),
    unit: unitOf(campaignId),
  };
}

async function settle(ctx: Context, fence: sql.ClaimRow, { fate, noted }: Result): Promise<void> {
  const settled = await persist(ctx, () => commit(ctx, fence, { fate, noted }));
  ctx.tag({ state: fate.state });
  if (!settled) {
    ctx.log.warn(
      settled === undefined ? "the batch was not settled" : "the lease was lost before the batch was settled",
    );
    return;
  }
  if (fate.state === "pending") ctx.log.warn({ delay_ms: fate.delay_ms, reason: fate.error }, "Batch is tried again");
  else if (fate.state !== "sent") ctx.log.warn({ reason: fate.error }, `Batch is ${fate.state}`);
  if (settled.status !== "sending") ctx.log.info({ status: settled.status }, "Campaign has ended");
  if (fate.state === "pending" && fate.delay_ms === 0 && settled.status === "sending") {
    await publishBatches(ctx, [{ ...fence, attempt: fence.attempt + 1 }]);
  }
}

/** Null: the lease was lost, and nothing is changed. */
async function commit(ctx: Context, fence: sql.ClaimRow, { fate, noted }: Result): Promise<sql.Settled | null> {
  const row = { ...fence, ...fate };
  if (noted.length === 0) return (await ctx.db.batch(sql.settleBatches, row))[0] ?? null;
  const lost = new Error("the lease was lost");
  return await ctx.db
    .transaction(async (tx) => {
      await tx.query(sql.noteRecipients, [fence.campaign_id, JSON.stringify(noted)]);
      const { rows } = await tx.query<sql.Settled>(sql.settleBatches.sql, [JSON.stringify([{ ...row, i: 0 }])]);
      if (!rows[0]) throw lost;
      return rows[0];
    })
    .catch((error: unknown) => {
      if (error === lost) return null;
      throw error;
    });
}

/** PostgreSQL being away is waited out for as long as the call may take. Undefined when it stayed away. */
async function persist<T>(ctx: Context, work: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (ctx.signal.aborted) return undefined;
      await new Promise((resolve) => setTimeout(resolve, awayPauseMs));
    }
  }
}

/** Renews a lease until the returned function is called. Should it be lost all the same, whoever has it sends under the same keys. */
function keepLease(ctx: Context, fence: sql.ClaimRow): () => void {
  const renew = () => void ctx.db.batch(sql.renewLeases, fence).catch(() => {});
  const timer = setInterval(renew, renewMs);
  return () => clearInterval(timer);
}
