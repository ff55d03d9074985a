/** Synchronisations: asked for, told of, and brought to the queue. */
import type { QueueDeclaration } from "../../../runtime/broker.ts";
import type { Context } from "../../../runtime/context.ts";
import { pmsNotConfigured, syncIsRunning, syncTaskNotFound } from "./problems.ts";
import type { Fault } from "./records.ts";

/** Turns are made again by the sweep, whose times are the database's: the queue itself retries nothing. */
export const syncQueue: QueueDeclaration = { name: "crm-pms-sync", retryDelaysMs: [] };

export const syncTypes = ["members", "consumption_records"] as const;
export type SyncType = (typeof syncTypes)[number];

/** What changed within so many seconds before the newest change that was seen is asked for again: it may have come later. */
const overlapSeconds = 300;

export interface SyncStatus {
  id: string;
  sync_type: SyncType;
  status: "pending" | "running" | "completed" | "failed";
  synced_count: number;
  failed_count: number;
  waiting_count: number;
  failures: Fault[];
  error_message: string | null;
  started_at: Date | null;
  completed_at: Date | null;
}

/**
 * Makes a task and brings it to the queue. Returns its id once it is committed. Throws `sync_is_running`, or
 * `pms_not_configured`.
 */
export async function startSync(
  ctx: Context,
  { type, force, userId }: { type: SyncType; force: boolean; userId: number },
): Promise<string> {
  if (!ctx.pms && ctx.config.production) throw pmsNotConfigured();
  const id = await insertTask(ctx, type, force, userId, 0);
  if (id === undefined) throw syncIsRunning();
  await publishTask(ctx, id);
  return id;
}

/** Begins what has not begun for an interval, guests first, when nothing else is under way. */
export async function startDueSync(ctx: Context): Promise<void> {
  if (!ctx.pms) return; // Guests that are made up come when they are asked for, and not by themselves.
  for (const type of syncTypes) {
    const id = await insertTask(ctx, type, false, null, ctx.config.pms.intervalSeconds);
    if (id !== undefined) return await publishTask(ctx, id);
  }
}

/** Brings what stands still to the queue again: its time has come, its process has ended, or the broker was away. */
export async function sweepSyncs(ctx: Context): Promise<void> {
  const { rows } = await ctx.db.query<{ id: string }>(
    `SELECT id FROM pms_sync_tasks WHERE status IN ('pending', 'running') AND due_at <= now()
       AND (lease_until IS NULL OR lease_until < now())`,
  );
  for (const { id } of rows) await publishTask(ctx, id);
}

/** Undefined where one is under way, or one of the kind was begun within so many seconds. */
async function insertTask(
  { db, clock }: Pick<Context, "db" | "clock">,
  type: SyncType,
  force: boolean,
  userId: number | null,
  restSeconds: number,
): Promise<string | undefined> {
  const id = clock.uuid();
  const { rowCount } = await db.query(
    `INSERT INTO pms_sync_tasks (id, sync_type, force, created_by, updated_since)
     SELECT $1::uuid, $2, $3, $4::bigint, CASE WHEN NOT $3 THEN (
         -- By the clock of the PMS, unless that is ahead of ours.
         SELECT max(least(newest, started_at)) - make_interval(secs => $6)
         FROM pms_sync_tasks WHERE sync_type = $2 AND status = 'completed' AND newest IS NOT NULL) END
     WHERE NOT EXISTS (
       SELECT FROM pms_sync_tasks WHERE sync_type = $2 AND created_at > now() - make_interval(secs => $5))
     ON CONFLICT DO NOTHING`,
    [id, type, force, userId, restSeconds, overlapSeconds],
  );
  return rowCount === 1 ? id : undefined;
}

/** Never fails: what the broker does not take is left to the sweep. */
export async function publishTask(ctx: Context, id: string): Promise<void> {
  const options = { traceparent: ctx.trace.traceparent };
  await ctx.broker.publish(syncQueue.name, { task_id: id }, options).catch((error: unknown) => {
    ctx.log.warn({ err: error, task: id }, "the broker did not take a synchronisation: it waits for the sweep");
  });
}

/** Throws `sync_task_not_found`. */
export async function readSync({ db }: Pick<Context, "db">, id: string): Promise<SyncStatus> {
  if (!/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) throw syncTaskNotFound();
  const { rows } = await db.query<SyncStatus>(
    `SELECT id, sync_type, status, synced_count, failed_count, waiting_count, failures, error_message, started_at, completed_at
     FROM pms_sync_tasks WHERE id = $1`,
    [id],
  );
  const [task] = rows;
  if (!task) throw syncTaskNotFound();
  return task;
}
