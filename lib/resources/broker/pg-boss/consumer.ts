/** One consumer of one queue: fetches no more than it has room for, and is free to fetch again when something has settled. */
import { setImmediate } from "node:timers/promises";
import type { PgBoss } from "pg-boss";
import type { Consumer, Delivery, Outcome } from "../../../../runtime/broker.ts";
import type { Logger } from "../../../../runtime/context.ts";
import { createInflight } from "../deliveries.ts";
import { type Envelope, type Jobs, readEnvelope } from "./jobs.ts";

/** How often an idle consumer looks by itself. Usually it is nudged, by a notification or by the next due time. */
const pollMs = 1000;

export interface PgConsumerOptions {
  boss: PgBoss;
  jobs: Jobs;
  queue: string;
  concurrency: number;
  handle: (delivery: Delivery) => Promise<Outcome>;
  /** Acts on an outcome. Resolves once committed. */
  settle: (queue: string, id: string, outcome: Outcome, envelope: Envelope) => Promise<void>;
  /** How often to tell PostgreSQL that the jobs in progress are alive. */
  heartbeatMs: number;
  isConnected: () => boolean;
  onDrained: () => void;
  closing: AbortSignal;
  log: Logger;
}

export interface PgConsumer extends Consumer {
  readonly queue: string;
  /** Something may be there: look now. */
  nudge(): void;
}

export function startConsumer(options: PgConsumerOptions): PgConsumer {
  const { boss, jobs, queue, concurrency, closing, log } = options;
  const inflight = createInflight();
  const active = new Set<string>();
  let nudged = false;
  let wake: (() => void) | undefined;
  let stopping = false;
  let draining: Promise<void> | undefined;
  const mayTake = () => !stopping && !closing.aborted;

  const nudge = () => {
    nudged = true;
    wake?.();
  };
  closing.addEventListener("abort", nudge);

  /** Until nudged, or for `ms`. A nudge since the last look counts. */
  async function rest(ms: number): Promise<void> {
    if (nudged) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }

  async function run(): Promise<void> {
    while (mayTake()) {
      if (inflight.size >= concurrency) {
        await inflight.oneLess();
        await setImmediate(); // those that settled by the same commit are counted too
        continue;
      }
      nudged = false;
      await rest(await take(concurrency - inflight.size));
    }
  }

  /** Fetches once, and returns how long there is nothing to do after that, in milliseconds. */
  async function take(room: number): Promise<number> {
    if (!options.isConnected()) return pollMs;
    try {
      const fetched = await boss.fetch<unknown>(queue, { batchSize: room });
      if (!mayTake()) {
        const ids = fetched.map(({ id }) => id);
        if (ids.length > 0) await jobs.giveBack(queue, ids);
        return 0;
      }
      for (const { id, data } of fetched) inflight.run(() => deliver(id, data));
      return fetched.length === room ? 0 : Math.min(pollMs, await jobs.nextDueMs(queue));
    } catch (error) {
      if (!closing.aborted) log.warn({ queue, err: error }, "Fetching messages failed; trying again");
      return pollMs;
    }
  }

  async function deliver(id: string, data: unknown): Promise<void> {
    active.add(id);
    try {
      const read = readEnvelope(data);
      if ("fault" in read) {
        const envelope = { message: JSON.stringify(data), attempt: 1 };
        await options.settle(queue, id, { kind: "dead", reason: read.fault }, envelope);
      } else {
        const outcome = await options.handle(read.delivery);
        // Closed without draining is like a crash: the job comes back once its heartbeat has stopped.
        if (!closing.aborted) await options.settle(queue, id, outcome, read.envelope);
      }
    } catch (error) {
      if (closing.aborted) return;
      log.error({ queue, err: error }, "A delivery failed and is repeated");
      // pg-boss waits the queue's retry delay, and gives the message up after its retry limit.
      await boss.fail(queue, id).catch(() => {}); // away: the heartbeat ends, and that repeats it as well
    } finally {
      active.delete(id);
    }
  }

  const heartbeat = setInterval(() => {
    if (active.size > 0)
      boss.touch(queue, [...active]).catch((error: unknown) => log.warn({ queue, err: error }, "No heartbeat"));
  }, options.heartbeatMs);
  heartbeat.unref();
  const stopped = run();

  /** A fetch may still be under way: what it brings goes back at once. */
  const stop = async () => {
    stopping = true;
    nudge();
  };
  const end = async () => {
    await stop();
    await stopped;
    await inflight.idle();
    clearInterval(heartbeat);
    closing.removeEventListener("abort", nudge);
    options.onDrained();
  };
  closing.addEventListener("abort", () => clearInterval(heartbeat), { once: true });

  return {
    queue,
    nudge,
    stop,
    drain() {
      draining ??= end();
      return draining;
    },
  };
}
