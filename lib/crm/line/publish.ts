/** Events from the database to the broker: at once when they come in, and by the sweep for what did not get there. */
import type { QueueDeclaration } from "../../../runtime/broker.ts";
import type { Context } from "../../../runtime/context.ts";
import { markStranded, publishGraceSeconds, releaseLeases, takeDue, type Due } from "./events.sql.ts";

/** Attempts are made again by the sweep, whose times are the database's: the queue itself retries nothing. */
export const eventQueue: QueueDeclaration = { name: "line-events", retryDelaysMs: [] };

/** The message of an attempt. */
export interface EventJob {
  id: number;
}

interface Job {
  id: string;
  attempt: number;
  traceparent: string | null;
}

const sweepSize = 500;
/** An event that has cost so many attempts is nobody's fault but its own: something about it ends its handlers. */
const mostAttempts = 10;

/** Never fails: what the broker does not take is left to the sweep. */
export async function publishEvents(ctx: Context, jobs: readonly Job[]): Promise<number> {
  const results = await Promise.allSettled(jobs.map((job) => publish(ctx, job)));
  const stranded = jobs.filter((_job, index) => results[index]?.status === "rejected");
  if (stranded.length > 0) {
    ctx.log.warn({ count: stranded.length }, "the broker did not take events of LINE: they wait for the sweep");
    await ctx.db.query(markStranded, [stranded.map(({ id }) => id)]).catch((error: unknown) => {
      ctx.log.warn({ err: error }, "stranded events could not be marked");
    });
  }
  return jobs.length - stranded.length;
}

async function publish(ctx: Context, { id, attempt, traceparent }: Job): Promise<void> {
  const of = traceparent ?? ctx.trace.traceparent;
  const tags = { event: id, attempt, queue: eventQueue.name };
  const message: EventJob = { id: Number(id) };
  await ctx.step("publish", { kind: "producer", tags, of }, () =>
    ctx.broker.publish(eventQueue.name, message, { attempt, traceparent: of }),
  );
}

/** Takes events back from handlers that have ended, and publishes those whose turn has come. */
export async function sweepEvents(ctx: Context): Promise<void> {
  const { rows: released } = await ctx.db.query<{ id: string; state: string }>(releaseLeases, [
    sweepSize,
    mostAttempts,
  ]);
  if (released.length > 0) {
    const given_up = released.filter(({ state }) => state === "failed").length;
    ctx.log.warn({ released: released.length, given_up }, "events of LINE were taken back from handlers that ended");
  }
  while (ctx.broker.isConnected() && !ctx.signal.aborted) {
    const { rows } = await ctx.db.query<Due>(takeDue, [sweepSize, publishGraceSeconds]);
    const jobs = rows.map(({ id, attempt, traceparent }) => ({ id, attempt: attempt + 1, traceparent }));
    const published = await publishEvents(ctx, jobs);
    if (rows.length < sweepSize || published < jobs.length) break;
  }
}
