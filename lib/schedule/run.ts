/** Running jobs: claimed, made into mail and marked in one transaction, then handed to the queue. */
import type { Context } from "../../runtime/context.ts";
import { problems } from "../../runtime/problem.ts";
import { acceptMails } from "../mail/accept.sql.ts";
import type { Candidate } from "../mail/candidate.ts";
import { publishAll } from "../mail/publish.ts";
import { cacheStatus } from "../mail/status.ts";
import { isRowsFault, type Queryable } from "../resources/database.ts";
import * as sql from "./claim.sql.ts";
import type { Claimed, HandedOver } from "./claim.sql.ts";
import { makeMail, service, type Made, type Run } from "./make-mail.ts";
import { rememberedRuns } from "./plan.ts";
import { jobCannotRun, jobIsProcessing, jobNotFound } from "./problems.ts";

/** Most jobs of one transaction, and most bytes of their bodies: they are in memory meanwhile. */
const batchSize = 500;
const batchBytes = 4 * 2 ** 20;
/** How long a call waits for its turn to claim, in milliseconds. */
const turnMs = 20_000;

/**
 * Runs what is due, at most `limit` jobs, and returns them once their mails are committed. `more` says that others may
 * be due. Any number of callers may do so at once, here and elsewhere: each job runs once.
 */
export async function runDue(ctx: Context, limit: number): Promise<{ runs: Run[]; more: boolean }> {
  const runs: Run[] = [];
  while (runs.length < limit) {
    const { results, publishing } = await runBatch(ctx, Math.min(batchSize, limit - runs.length));
    ctx.defer(publishing);
    runs.push(...results.map(({ run }) => run));
    if (results.length === 0) return { runs, more: false };
  }
  return { runs, more: true };
}

/** Runs everything that is due, however much it is, in as much memory as a batch takes. Ends early when told to. */
export async function runAllDue(ctx: Context): Promise<void> {
  let count = 0;
  let failed = 0;
  let before: Promise<unknown> = Promise.resolve();
  while (!ctx.signal.aborted && !ctx.isStopping) {
    const { results, publishing } = await runBatch(ctx, batchSize);
    // One batch is published while the next is claimed; more would pile up in memory when the broker is slow.
    await before;
    before = publishing;
    if (results.length === 0) break;
    count += results.length;
    failed += results.filter(({ run }) => run.executionstatus !== "Processing").length;
  }
  await before;
  if (count > 0) ctx.log.info({ jobs: count, failed }, "scheduled mail has been handed to the queue");
}

/**
 * Runs one job now, whether it is due, enabled or done before. Returns once its mail is committed. Throws
 * `job_not_found`, `job_is_processing`, or `job_cannot_run` with what is wrong with it, which it then keeps, too.
 */
export async function runNow(ctx: Context, id: number): Promise<Run> {
  const { results, publishing } = await inTransaction(ctx, async (tx) => {
    const { rows } = await tx.query<Claimed>(sql.claimOne, [id]);
    if (rows.length === 0) {
      const { rowCount } = await tx.query(sql.jobExists, [id]);
      throw rowCount === 0 ? jobNotFound() : jobIsProcessing();
    }
    return rows;
  });
  ctx.defer(publishing);
  const [result] = results;
  if (!result) throw new Error("A claimed job has no result");
  if (result.faults.length > 0) throw jobCannotRun({ details: result.faults });
  return result.run;
}

/** Where one job is not to be stored, it fails, and the others go on without it. */
async function runBatch(ctx: Context, size: number): Promise<Batch> {
  let claimed: Claimed[] = [];
  try {
    return await inTransaction(ctx, async (tx) => {
      claimed = (await tx.query<Claimed>(sql.claimDue, [size, batchBytes])).rows;
      return claimed;
    });
  } catch (error) {
    const [first] = claimed;
    if (!first || !isRowsFault(error)) throw error;
    if (claimed.length === 1) {
      ctx.log.error({ err: error, job: first.id }, "a job of scheduled mail could not be stored as a mail");
      await ctx.db.query(sql.failJob, [first.id, "its mail could not be stored; the log says why"]);
    }
    return await runBatch(ctx, 1);
  }
}

/** Brings jobs in line with mails that have ended without them. */
export async function catchUp({ db, log }: Context): Promise<void> {
  const { rowCount } = await db.query(sql.catchUp);
  if (rowCount) log.info({ jobs: rowCount }, "scheduled mail has caught up with its mails");
}

interface Batch {
  results: Made[];
  /** Resolves when the messages have reached the broker, or are left to the sweep. Never rejects. */
  publishing: Promise<unknown>;
}

/** Claim, mails and new states commit together: what ends half way has not happened. */
async function inTransaction(ctx: Context, claim: (tx: Queryable) => Promise<Claimed[]>): Promise<Batch> {
  using turn = await ctx.scheduleTurns.take(1, { withinMs: turnMs, signal: ctx.signal });
  if (!turn) throw problems.unavailable({ message: "Too many callers run scheduled mail at once; try again shortly" });
  const results = await ctx.db.transaction(async (tx) => {
    const next = rememberedRuns();
    const made = (await claim(tx)).map((job) => makeMail(ctx, job, next));
    const mails = made.flatMap(({ mail }) => mail?.row ?? []);
    const rows = mails.map((row, i) => ({ ...row, i, idempotency_key: null, body_hash: null }));
    if (rows.length > 0) await tx.query(acceptMails.sql, [JSON.stringify(rows)]);
    if (made.length > 0) await tx.query(sql.handOver, [JSON.stringify(made.map(handedOver))]);
    return made;
  });
  return {
    results,
    publishing: announce(
      ctx,
      results.flatMap(({ mail }) => mail?.candidate ?? []),
    ),
  };
}

function announce(ctx: Context, mails: readonly Candidate[]): Promise<unknown> {
  const { clientId } = service;
  for (const { id, createdAt } of mails) {
    cacheStatus(ctx, { id, clientId, status: "queued", attempt: 0, retryCount: 0, createdAt });
  }
  const published = mails.filter(({ publishInMs }) => publishInMs !== undefined);
  return publishAll(
    ctx,
    published.map(({ id, traceparent }) => ({ id, attempt: 1, bytes: 0, traceparent })),
  );
}

/** A time that stays is left as it lies there: it may be more exact than a Date. */
function handedOver({ run, changesTime }: Made): HandedOver {
  const { id, mailid, executionstatus, nextexecutetime, lasterror } = run;
  const next = changesTime ? nextexecutetime.toISOString() : null;
  return { id: String(id), mailid, executionstatus, nextexecutetime: next, lasterror };
}
