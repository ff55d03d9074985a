/** What the driver does to pg-boss's jobs: a message is a job, and its whole envelope is the job's data. */
import type { Pool } from "pg";
import type { JobInsert, PgBoss } from "pg-boss";
import type { Delivery, QueueDepth } from "../../../../runtime/broker.ts";
import { attemptOf, decode } from "../deliveries.ts";
import { createBatcher } from "./batch.ts";

/**
 * A job's data. The message stays text within it: jsonb refuses some strings that JSON allows (`\u0000`), and one such
 * message would fail the whole batch that it is inserted with.
 */
export interface Envelope {
  message: string;
  attempt: number;
  traceparent?: string;
  /** Of a dead letter: why, and where from. */
  reason?: string;
  origin?: string;
}

export interface Jobs {
  /** Resolves once committed. Concurrent calls share a commit. */
  insert(queue: string, envelope: Envelope, delayMs: number): Promise<void>;
  /** Resolves once the job is gone. Concurrent calls share a commit. */
  remove(queue: string, id: string): Promise<void>;
  /** In one transaction: the job is gone from `queue`, and is in `target`. Does nothing when it was gone already. */
  move(queue: string, id: string, target: string, envelope: Envelope, delayMs: number): Promise<void>;
  /** Puts back jobs that were fetched and not begun, as if they had never been fetched: to their old places. */
  giveBack(queue: string, ids: string[]): Promise<void>;
  /** Milliseconds until the next delayed job of the queue is due; infinite without one. */
  nextDueMs(queue: string): Promise<number>;
  /** `active` is what all processes have in hand. */
  depth(queue: string): Promise<QueueDepth>;
  /** Deletes what of the waiting jobs is wanted, and returns how many those were. */
  take(queue: string, wanted: (message: unknown) => boolean | Promise<boolean>): Promise<number>;
}

const batchSize = 500;

export interface JobsOptions {
  boss: PgBoss;
  pool: Pool;
  schema: string;
  /** After so long without a sign of life from its consumer, a job is delivered again. */
  heartbeatSeconds: number;
}

export function createJobs({ boss, pool, schema, heartbeatSeconds }: JobsOptions): Jobs {
  const inserts = perQueue<JobInsert>(async (queue, jobs) => {
    await boss.insert(queue, jobs);
  });
  // Deleted rather than marked completed: one dead row instead of two, and no cleaning up afterwards.
  const removals = perQueue<string>(async (queue, ids) => {
    await boss.deleteJob(queue, ids);
  });

  // `insert`, unlike `send`, allows a heartbeat below 10 seconds.
  const toJob = (envelope: Envelope, delayMs: number): JobInsert => ({
    data: envelope,
    heartbeatSeconds,
    ...(delayMs > 0 && { startAfter: delayMs / 1000 }),
  });

  async function one(sql: string, values: unknown[]): Promise<Record<string, unknown>> {
    const { rows } = await pool.query<Record<string, unknown>>(sql, values);
    return rows[0] ?? {};
  }

  return {
    insert: (queue, envelope, delayMs) => inserts(queue)(toJob(envelope, delayMs)),
    remove: (queue, id) => removals(queue)(id),
    async move(queue, id, target, envelope, delayMs) {
      const client = await pool.connect();
      let failure: Error | undefined;
      const onError = (error: Error) => (failure = error); // a connection lost between two statements
      client.on("error", onError);
      try {
        const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
        await client.query("BEGIN");
        const removed = await boss.deleteJob(queue, id, { db });
        if ("affected" in removed && removed.affected === 1) {
          await boss.insert(target, [toJob(envelope, delayMs)], { db });
        }
        await client.query("COMMIT");
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        throw error;
      } finally {
        client.off("error", onError);
        client.release(failure); // closes the connection on failure, and with it rolls back
      }
    },
    async giveBack(queue, ids) {
      await pool.query(
        `UPDATE ${schema}.job SET state = 'created', started_on = NULL, heartbeat_on = NULL
          WHERE name = $1 AND id = ANY($2::uuid[]) AND state = 'active'`,
        [queue, ids],
      );
    },
    async nextDueMs(queue) {
      const { ms } = await one(
        `SELECT extract(epoch FROM min(start_after) - clock_timestamp())::float8 * 1000 AS ms
           FROM ${schema}.job WHERE name = $1 AND state < 'active' AND NOT blocked`,
        [queue],
      );
      return typeof ms === "number" ? Math.max(0, Math.ceil(ms)) : Infinity;
    },
    async depth(queue) {
      const counts = await one(
        `SELECT count(*) FILTER (WHERE state < 'active' AND start_after <= now())::int AS ready,
                count(*) FILTER (WHERE state < 'active' AND start_after > now())::int AS delayed,
                count(*) FILTER (WHERE state = 'active')::int AS active
           FROM ${schema}.job WHERE name = $1`,
        [queue],
      );
      return { ready: Number(counts["ready"]), delayed: Number(counts["delayed"]), active: Number(counts["active"]) };
    },
    async take(queue, wanted) {
      let taken = 0;
      let after = "00000000-0000-0000-0000-000000000000";
      for (;;) {
        const { rows } = await pool.query<{ id: string; data: unknown }>(
          `SELECT id, data FROM ${schema}.job WHERE name = $1 AND state < 'active' AND id > $2 ORDER BY id LIMIT $3`,
          [queue, after, batchSize],
        );
        const verdicts = await Promise.all(rows.map(({ data }) => isWanted(data, wanted)));
        const ids = rows.filter((_row, index) => verdicts[index]).map(({ id }) => id);
        const deleted = await pool.query(
          `DELETE FROM ${schema}.job WHERE name = $1 AND state < 'active' AND id = ANY($2::uuid[])`,
          [queue, ids],
        );
        taken += deleted.rowCount ?? 0;
        if (rows.length < batchSize) return taken;
        after = rows.at(-1)?.id ?? after;
      }
    },
  };
}

/** What is not of this broker stays: somebody should look at it. */
async function isWanted(data: unknown, wanted: (message: unknown) => boolean | Promise<boolean>): Promise<boolean> {
  const read = readEnvelope(data);
  return !("fault" in read) && (await wanted(read.delivery.message));
}

function perQueue<T>(
  flush: (queue: string, items: T[]) => Promise<void>,
): (queue: string) => (item: T) => Promise<void> {
  const batchers = new Map<string, (item: T) => Promise<void>>();
  return (queue) => {
    let batcher = batchers.get(queue);
    if (!batcher) batchers.set(queue, (batcher = createBatcher(batchSize, (items: T[]) => flush(queue, items))));
    return batcher;
  };
}

/** Reads a job's data, which anybody with access to the table may have written. */
export function readEnvelope(data: unknown): { delivery: Delivery; envelope: Envelope } | { fault: string } {
  if (typeof data !== "object" || data === null || !("message" in data) || typeof data.message !== "string") {
    return { fault: "not an envelope of this broker" };
  }
  const decoded = decode(data.message);
  if ("fault" in decoded) return decoded;
  const attempt = attemptOf("attempt" in data ? data.attempt : undefined);
  const extras = {
    ...("traceparent" in data && typeof data.traceparent === "string" && { traceparent: data.traceparent }),
    ...("reason" in data && typeof data.reason === "string" && { reason: data.reason }),
  };
  return {
    delivery: { message: decoded.message, attempt, ...extras },
    envelope: { message: data.message, attempt, ...extras },
  };
}
