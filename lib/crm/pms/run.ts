/** A turn of a synchronisation: page after page, each committed with the place where the next one begins. */
import type { Context } from "../../../runtime/context.ts";
import { isRowsFault, type Queryable } from "../../resources/database.ts";
import { PmsFault, type PmsPage } from "../../resources/pms.ts";
import { holdPms, takeGuest, type Taken } from "./link.ts";
import { isFault, memberRecord, stayRecord, type Fault } from "./records.ts";
import { samplePage } from "./sample.ts";
import { takeStay } from "./stays.ts";
import { publishTask, type SyncType } from "./tasks.ts";

/** Records of a page: some 0.2 s on one core. */
const pageSize = 100;
/** How long members are held whom others want to change, in milliseconds: a busy process takes 20 s for a page. */
const holdMs = 250;
/** Longer than a page can take. */
const leaseSeconds = 90;
/** Then another turn goes on, so that a large synchronisation does not keep a process from stopping. */
const turnMs = 60_000;
/** Seconds before another turn, by how many there were since a page was taken; after the last one it has failed. */
const restSeconds = [5, 30, 120, 300, 600];
/** Failures that are told of. */
const mostFailures = 20;

interface Turn {
  id: string;
  sync_type: SyncType;
  force: boolean;
  updated_since: Date | null;
  cursor: string | null;
  turn: number;
  attempt: number;
}

/** Does nothing when another one works on it, or it has ended. May be called any number of times. */
export async function runSync(ctx: Context, id: string): Promise<void> {
  const turn = await begin(ctx, id);
  if (!turn) return;
  if (turn.attempt > restSeconds.length + 1)
    return await fail(ctx, turn, "Whoever works on it ends before a page is taken");
  const until = performance.now() + turnMs;
  try {
    for (let cursor = turn.cursor; ;) {
      const page = await readPage(ctx, turn, cursor);
      const next = page.next_cursor || null;
      if (next !== null && next === cursor) throw new PmsFault("repeated_cursor", false);
      await takePage(ctx, turn, page.items, next);
      if (next === null) return await tell(ctx, id);
      cursor = next;
      if (ctx.isStopping || ctx.signal.aborted || performance.now() > until) break;
    }
    await rest(ctx, turn, 0);
    await publishTask(ctx, id);
  } catch (error) {
    if (error instanceof LostTurn) return;
    await putOff(ctx, turn, error);
  }
}

/** Takes the lease. */
async function begin({ db }: Context, id: string): Promise<Turn | undefined> {
  const { rows } = await db.query<Turn>(
    `UPDATE pms_sync_tasks SET status = 'running', turn = turn + 1, attempt = attempt + 1,
       lease_until = now() + make_interval(secs => $2), started_at = coalesce(started_at, now())
     WHERE id = $1 AND status IN ('pending', 'running') AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
     RETURNING id, sync_type, force, updated_since, cursor, turn, attempt`,
    [id, leaseSeconds],
  );
  return rows[0];
}

async function readPage(ctx: Context, turn: Turn, cursor: string | null): Promise<PmsPage> {
  const query = { updatedSince: turn.updated_since, cursor, limit: pageSize };
  const kind = turn.sync_type === "members" ? "members" : "consumption-records";
  const { pms } = ctx;
  if (!pms) return samplePage(kind, query);
  return await ctx.step("pms", { kind: "client" }, () => pms.page(kind, query, ctx.signal));
}

/** Another one has the lease. */
class LostTurn extends Error {}

interface Counts {
  synced: number;
  waiting: number;
  failures: Fault[];
  /** ISO 8601. */
  newest: string | null;
}

const noCounts = (): Counts => ({ synced: 0, waiting: 0, failures: [], newest: null });

/** In as many transactions as it takes to hold nobody up. What is taken again after a crash is old by then. */
async function takePage(ctx: Context, turn: Turn, items: readonly unknown[], next: string | null): Promise<void> {
  let counts = noCounts();
  let rest = items;
  for (;;) {
    const part = await takePart(ctx, turn, rest, { counts, next });
    if (part.taken === rest.length) return;
    rest = rest.slice(part.taken);
    counts = part.counts;
  }
}

interface Part {
  taken: number;
  counts: Counts;
}

async function takePart(
  ctx: Context,
  turn: Turn,
  items: readonly unknown[],
  { counts, next }: { counts: Counts; next: string | null },
): Promise<Part> {
  const take = (isCareful: boolean) =>
    ctx.db.transaction(async (tx) => {
      await holdPms(tx);
      const some = await takeSome(ctx, tx, turn, items, isCareful);
      const part = { taken: some.taken, counts: added(counts, some.counts) };
      if (part.taken < items.length) await keepLease(tx, turn);
      else await commit(tx, turn, part.counts, next);
      return part;
    });
  try {
    return await take(false);
  } catch (error) {
    if (!isRowsFault(error)) throw error;
    return await take(true);
  }
}

function added(one: Counts, other: Counts): Counts {
  return {
    synced: one.synced + other.synced,
    waiting: one.waiting + other.waiting,
    failures: [...one.failures, ...other.failures],
    newest: one.newest === null || (other.newest !== null && other.newest > one.newest) ? other.newest : one.newest,
  };
}

/**
 * Takes records until there are none or it has taken long enough, and says how many. `isCareful`: one that the database
 * does not take fails alone. It costs two more statements each.
 */
async function takeSome(
  ctx: Context,
  tx: Queryable,
  turn: Turn,
  items: readonly unknown[],
  isCareful: boolean,
): Promise<Part> {
  const counts = noCounts();
  const until = performance.now() + holdMs;
  let taken = 0;
  for (const item of items) {
    if (taken > 0 && performance.now() > until) break;
    taken++;
    const record = turn.sync_type === "members" ? memberRecord(ctx, item) : stayRecord(item);
    if (isFault(record)) {
      counts.failures.push(record);
      continue;
    }
    const take = () => ("member_id" in record ? takeStay(tx, record) : takeGuest(ctx, tx, record, turn.force));
    const fate = isCareful ? await alone(tx, take) : await take();
    if (typeof fate !== "string") counts.failures.push({ record: record.id, reason: fate.reason });
    else counts[fate]++;
    if (counts.newest === null || record.updated_at > counts.newest) counts.newest = record.updated_at;
  }
  return { taken, counts };
}

async function alone(tx: Queryable, take: () => Promise<Taken>): Promise<Taken> {
  await tx.query("SAVEPOINT record");
  try {
    const taken = await take();
    await tx.query("RELEASE SAVEPOINT record");
    return taken;
  } catch (error) {
    if (!isRowsFault(error)) throw error;
    await tx.query("ROLLBACK TO SAVEPOINT record");
    return { reason: "it could not be stored" };
  }
}

/** In the middle of a page. Throws `LostTurn`, so that nothing of the transaction is kept. */
async function keepLease(tx: Queryable, { id, turn }: Turn): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE pms_sync_tasks SET lease_until = now() + make_interval(secs => $3)
     WHERE id = $1 AND turn = $2 AND status = 'running'`,
    [id, turn, leaseSeconds],
  );
  if (rowCount === 0) throw new LostTurn("Another one has gone on with it");
}

/** At the end of a page. Throws `LostTurn`, so that nothing of the transaction is kept. */
async function commit(tx: Queryable, turn: Turn, counts: Counts, next: string | null): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE pms_sync_tasks SET cursor = $3, newest = greatest(newest, $4), synced_count = synced_count + $5,
       waiting_count = waiting_count + $6, failed_count = failed_count + $7, attempt = 0, error_message = NULL,
       failures = (SELECT coalesce(jsonb_agg(one ORDER BY n), '[]')
         FROM jsonb_array_elements(failures || $8::jsonb) WITH ORDINALITY AS all_of_them (one, n) WHERE n <= $9),
       status = CASE WHEN $3::text IS NULL THEN 'completed' ELSE 'running' END,
       completed_at = CASE WHEN $3::text IS NULL THEN now() END,
       lease_until = CASE WHEN $3::text IS NOT NULL THEN now() + make_interval(secs => $10) END
     WHERE id = $1 AND turn = $2 AND status = 'running'`,
    [
      turn.id,
      turn.turn,
      next,
      counts.newest,
      counts.synced,
      counts.waiting,
      counts.failures.length,
      JSON.stringify(counts.failures.slice(0, mostFailures)),
      mostFailures,
      leaseSeconds,
    ],
  );
  turn.attempt = 0;
  if (rowCount === 0) throw new LostTurn("Another one has gone on with it");
}

async function tell({ db, log }: Context, id: string): Promise<void> {
  const { rows } = await db.query<{ sync_type: string; synced: number; waiting: number; failed: number }>(
    `SELECT sync_type, synced_count AS synced, waiting_count AS waiting, failed_count AS failed
     FROM pms_sync_tasks WHERE id = $1`,
    [id],
  );
  log.info({ task: id, ...rows[0] }, "synchronised with the PMS");
}

/** Gives the lease back, for whoever comes first after so many seconds. */
async function rest(
  { db }: Context,
  { id, turn }: Turn,
  seconds: number,
  message: string | null = null,
): Promise<void> {
  await db.query(
    `UPDATE pms_sync_tasks SET lease_until = NULL, due_at = now() + make_interval(secs => $3), error_message = $4
     WHERE id = $1 AND turn = $2 AND status = 'running'`,
    [id, turn, seconds, message],
  );
}

async function putOff(ctx: Context, turn: Turn, error: unknown): Promise<void> {
  const message = error instanceof PmsFault ? error.message : "It could not be stored; the log says why";
  // What was interrupted has not failed.
  const isOver = ctx.signal.aborted || ctx.isStopping;
  const seconds = isOver ? 0 : restSeconds[Math.max(0, turn.attempt - 1)];
  const isPassing = isOver || !(error instanceof PmsFault) || error.isPassing;
  ctx.log.warn(
    { err: error, task: turn.id, again_in: isPassing ? seconds : undefined },
    "a synchronisation was interrupted",
  );
  if (isPassing && seconds !== undefined) return await rest(ctx, turn, seconds, message);
  await fail(ctx, turn, message);
}

async function fail({ db, log }: Context, turn: Turn, message: string): Promise<void> {
  await db.query(
    `UPDATE pms_sync_tasks SET status = 'failed', lease_until = NULL, completed_at = now(), error_message = $3
     WHERE id = $1 AND turn = $2 AND status = 'running'`,
    [turn.id, turn.turn, message],
  );
  log.error({ task: turn.id, type: turn.sync_type }, "a synchronisation with the PMS has failed");
}
