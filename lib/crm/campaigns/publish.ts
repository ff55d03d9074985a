/** From the ledger to the broker: at once after a commit, and by the sweep for what did not get there. */
import type { Context } from "../../../runtime/context.ts";
import { settleBatches, type ClaimRow } from "./batches.sql.ts";
import { batchQueue, type BatchJob } from "./campaign.ts";
import { releaseLeases, takeDue, type Swept } from "./sweep.sql.ts";

/** How many batches one statement of the sweep takes, and how many messages are on their way to the broker at once. */
const sweepSize = 500;
/** A batch that has cost so many workers is no bad luck: something about it ends them. */
const mostLosses = 50;

/** Never fails: what does not reach the broker is left to the sweep. */
export async function publishBatches(ctx: Context, jobs: readonly ClaimRow[]): Promise<number> {
  let published = 0;
  for (let from = 0; from < jobs.length && ctx.broker.isConnected(); from += sweepSize) {
    const results = await Promise.allSettled(
      jobs.slice(from, from + sweepSize).map(({ campaign_id, batch, attempt }) => {
        const message: BatchJob = { campaign_id, batch };
        return ctx.broker.publish(batchQueue.name, message, { attempt, traceparent: ctx.trace.traceparent });
      }),
    );
    published += results.filter(({ status }) => status === "fulfilled").length;
  }
  if (published < jobs.length) {
    ctx.log.warn({ count: jobs.length - published }, "the broker did not take batches: they wait for the sweep");
  }
  return published;
}

/** Publishes what is due and on nobody's queue, and takes back what ended workers had in hand. */
export async function sweepBatches(ctx: Context): Promise<void> {
  await releaseBatches(ctx);
  while (ctx.broker.isConnected() && !ctx.signal.aborted) {
    const { rows } = await ctx.db.query<Swept & { told: boolean; found: number }>(takeDue, [sweepSize]);
    await endUnknown(ctx, rows);
    const due = rows.filter(({ told, ending }) => told && ending === null);
    const published = await publishBatches(ctx, due.map(next));
    if (rows.length < sweepSize || published < due.length) break;
  }
}

/** `all`: every lease, right only where no other worker can be alive. */
export async function releaseBatches(ctx: Pick<Context, "db" | "log">, { all = false } = {}): Promise<void> {
  for (;;) {
    const { rows } = await ctx.db.query<Swept>(releaseLeases, [sweepSize, mostLosses, all]);
    await endUnknown(ctx, rows);
    if (rows.length > 0) ctx.log.warn({ batches: rows.length }, "batches of campaigns were taken back");
    // What is ending holds a lease again: with `all`, asking once more would find it.
    if (rows.length < sweepSize || all) return;
  }
}

/** Whether LINE has sent them cannot be known any more: they count as failed, and are never sent again. */
async function endUnknown({ db }: Pick<Context, "db">, rows: readonly Swept[]): Promise<void> {
  const ending = rows.filter(({ ending: reason }) => reason !== null);
  await Promise.all(
    ending.map(({ campaign_id, batch, attempt, ending: error }) => {
      const fence = { campaign_id, batch, attempt };
      const fate = { state: "unknown", error, stop: null, certain: false, other: false, singly: false } as const;
      return db.batch(settleBatches, { ...fence, ...fate, tries: 0, delay_ms: 0 });
    }),
  );
}

function next({ campaign_id, batch, attempt }: Swept): ClaimRow {
  return { campaign_id, batch, attempt: attempt + 1 };
}
