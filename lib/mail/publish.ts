/** From the database to the broker: at once after a commit, and by the sweep for what did not get there. */
import type { Context } from "../../runtime/context.ts";
import { publishGraceSeconds, type MailJob } from "./mail.ts";
import { markStranded, takeStranded } from "./sweep.sql.ts";

/** How many mails one statement of the sweep takes. */
const sweepSize = 1000;

/**
 * Publishes an attempt's message in the background. Never fails: a mail whose message does not reach the broker is
 * left to the sweep, which publishes it as soon as the broker is back.
 */
export function publishSoon(ctx: Context, mailId: string, attempt: number): void {
  ctx.defer(publish(ctx, mailId, attempt).catch(() => strand(ctx, [{ id: mailId, attempt }])));
}

/** Publishes what is due and was not: mail accepted while the broker was away, retried, released or sent later. */
export async function publishStranded(ctx: Context): Promise<void> {
  while (ctx.broker.isConnected() && !ctx.signal.aborted) {
    const { rows } = await ctx.db.query<{ id: string; attempt: number }>(takeStranded, [
      sweepSize,
      publishGraceSeconds,
    ]);
    const published = await publishOrStrand(
      ctx,
      rows.map(({ id, attempt }) => ({ id, attempt: attempt + 1 })),
    );
    if (rows.length > 0) ctx.log.info({ published, found: rows.length }, "stranded mail published");
    if (rows.length < sweepSize || published < rows.length) return;
  }
}

interface Job {
  id: string;
  attempt: number;
}

function publish({ broker, config, trace }: Context, id: string, attempt: number): Promise<void> {
  const message: MailJob = { mail_id: id };
  return broker.publish(config.queues.mail, message, { attempt, traceparent: trace.traceparent });
}

/** Returns how many were published; the others are marked for the sweep. */
async function publishOrStrand(ctx: Context, jobs: readonly Job[]): Promise<number> {
  const results = await Promise.allSettled(jobs.map(({ id, attempt }) => publish(ctx, id, attempt)));
  const stranded = jobs.filter((_job, index) => results[index]?.status === "rejected");
  if (stranded.length > 0) await strand(ctx, stranded);
  return jobs.length - stranded.length;
}

/** Never fails: what cannot be marked is found all the same, when the grace that it was accepted with has passed. */
async function strand(ctx: Context, stranded: readonly Job[]): Promise<void> {
  ctx.log.warn({ count: stranded.length }, "the broker did not take mail: it waits for the sweep");
  const fence = [stranded.map(({ id }) => id), stranded.map(({ attempt }) => attempt)];
  await ctx.db.query(markStranded, fence).catch((error: unknown) => {
    ctx.log.warn({ err: error }, "stranded mail could not be marked");
  });
}
