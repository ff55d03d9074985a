/** From the database to the broker: at once after a commit, and by the sweep for what did not get there. */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../runtime/context.ts";
import { publishGraceSeconds, type MailJob } from "./mail.ts";
import { markStranded, takeStranded, type Stranded } from "./sweep.sql.ts";

/** How many mails one statement of the sweep takes. */
const sweepSize = 1000;
/** How many messages of one caller are on their way to the broker at once. */
const publishSize = 500;

/**
 * How far the sweep looks ahead: more than the time to its next tick, so that every mail that is sent later is in hand
 * before it falls due, and is published at its time and not at a tick.
 */
export const lookAheadSeconds = 2;

/** The message of an attempt. */
export interface Job {
  id: string;
  attempt: number;
  /** Bytes of the mail's attachments together. */
  bytes: number;
  /** The trace that the mail belongs to; without one, it goes on in that of the call. */
  traceparent?: string | null;
}

/**
 * Publishes messages in the background, after `waitMs` of at most a few seconds. Never fails: a mail whose message does
 * not reach the broker is left to the sweep, which publishes it as soon as the broker is back.
 */
export function publishSoon(ctx: Context, jobs: readonly Job[], waitMs = 0): void {
  ctx.defer(waitMs > 0 ? publishInTime(ctx, timed(jobs, waitMs)) : publishAll(ctx, jobs));
}

/**
 * Publishes what is due and was not: mail accepted while the broker was away, retried, released or sent later. What
 * falls due in a moment is published at its time, in the background; never before it.
 */
export async function publishStranded(ctx: Context): Promise<void> {
  const later: Timed[] = [];
  while (ctx.broker.isConnected() && !ctx.signal.aborted) {
    const values = [sweepSize, publishGraceSeconds, lookAheadSeconds];
    const { rows } = await ctx.db.query<Stranded>(takeStranded, values);
    const due = rows.filter(({ wait_ms }) => wait_ms <= 0).map(nextJob);
    for (const row of rows) if (row.wait_ms > 0) later.push(...timed([nextJob(row)], row.wait_ms));
    const published = await publishAll(ctx, due);
    if (due.length > 0) ctx.log.info({ published, found: due.length }, "stranded mail published");
    if (rows.length < sweepSize || published < due.length) break;
  }
  // Not waited for: the next tick would be skipped while this one still runs.
  if (later.length > 0) ctx.defer(publishInTime(ctx, later));
}

interface Timed extends Job {
  /** As `performance.now()` counts. */
  at: number;
}

function timed(jobs: readonly Job[], waitMs: number): Timed[] {
  const at = performance.now() + waitMs;
  return jobs.map((job) => ({ ...job, at }));
}

function nextJob({ id, attempt, attachment_bytes, traceparent }: Stranded): Job {
  return { id, attempt: attempt + 1, bytes: Number(attachment_bytes), traceparent };
}

/** Publishes each at its time, or as soon after it as those before have reached the broker. */
async function publishInTime(ctx: Context, jobs: readonly Timed[]): Promise<void> {
  const waiting = jobs.toSorted((a, b) => a.at - b.at);
  for (let [next] = waiting; next; [next] = waiting) {
    await pause(Math.max(0, next.at - performance.now()));
    // A timer may fire a moment early: then nothing is due yet.
    const now = performance.now();
    const count = waiting.findIndex(({ at }) => at > now);
    await publishAll(ctx, waiting.splice(0, count < 0 ? waiting.length : count));
  }
}

/** Returns how many were published; the others are marked for the sweep. Never fails. */
export async function publishAll(ctx: Context, jobs: readonly Job[]): Promise<number> {
  let published = 0;
  for (let from = 0; from < jobs.length; from += publishSize) {
    const some = jobs.slice(from, from + publishSize);
    const results = await Promise.allSettled(some.map((job) => publish(ctx, job)));
    const stranded = some.filter((_job, index) => results[index]?.status === "rejected");
    if (stranded.length > 0) await strand(ctx, stranded);
    published += some.length - stranded.length;
  }
  return published;
}

function publish(ctx: Context, { id, attempt, bytes, traceparent }: Job): Promise<void> {
  const { broker, config } = ctx;
  const message: MailJob = bytes > 0 ? { mail_id: id, bytes } : { mail_id: id };
  const of = traceparent ?? ctx.trace.traceparent;
  const tags = { mail_id: id, attempt, queue: config.queues.mail };
  return ctx.step("publish", { kind: "producer", tags, of }, () =>
    broker.publish(config.queues.mail, message, { attempt, traceparent: of }),
  );
}

/** Never fails: what cannot be marked is found all the same, when the grace that it was accepted with has passed. */
async function strand(ctx: Context, stranded: readonly Job[]): Promise<void> {
  ctx.log.warn({ count: stranded.length }, "the broker did not take mail: it waits for the sweep");
  const fence = [stranded.map(({ id }) => id), stranded.map(({ attempt }) => attempt)];
  await ctx.db.query(markStranded, fence).catch((error: unknown) => {
    ctx.log.warn({ err: error }, "stranded mail could not be marked");
  });
}
