/** Accepting many mails by one request: each is checked by itself, and all good ones are committed together. */
import { setImmediate as breathe } from "node:timers/promises";
import type { Context } from "../../runtime/context.ts";
import { Problem, problems, type Detail } from "../../runtime/problem.ts";
import type { Caller } from "../auth/caller.ts";
import { acceptBatches } from "./accept.sql.ts";
import type { AcceptOptions } from "./accept.ts";
import { candidate, checkMail, mailRow, recipientsOf, type Candidate, type Origin } from "./candidate.ts";
import type { Draft, MailInput } from "./draft.ts";
import { findEarlier, inTurn, type Idempotency } from "./idempotency.ts";
import { takeAllowance } from "./limits.ts";
import { idempotencyKeyReused } from "./problems.ts";
import { store } from "./store.ts";

/** What became of one mail, as its client reads it. */
export type BatchResult =
  { mail_id: string; status: "queued" } | { error: string; message: string; details?: Detail[] };

export interface BatchReply {
  /** Whether every mail was queued. */
  success: boolean;
  batch_id: string;
  /** In the order of the request. */
  results: BatchResult[];
}

export type BatchOutcome =
  | { kind: "accepted"; reply: BatchReply; replayed: boolean }
  /** None was queued. `problem` says why: `rate_limited` when that is all there was, else `invalid_request`. */
  | { kind: "refused"; problem: Problem; results: BatchResult[] };

/**
 * Accepts the mails of a batch that can be sent; a problem in place of a mail, or found with it, is that mail's result
 * and touches no other. Returns once all good ones and the idempotency key are committed, in one statement. Publishing
 * follows in the background. With a key that was used before, returns the reply that it stands for.
 */
export function acceptBatch(
  ctx: Context,
  caller: Caller,
  mails: readonly (MailInput | Problem)[],
  options: AcceptOptions = {},
): Promise<BatchOutcome> {
  return inTurn(ctx, caller, options.idempotency, () => accept(ctx, caller, mails, options));
}

async function accept(
  ctx: Context,
  caller: Caller,
  mails: readonly (MailInput | Problem)[],
  { idempotency, large, source = "api" }: AcceptOptions,
): Promise<BatchOutcome> {
  const earlier = idempotency && (await findEarlierBatch(ctx, caller, idempotency));
  if (earlier) return earlier;

  const drafts = await checkAll(ctx, caller, mails, { source, large });
  const { allowance, checked } = await takeAllowances(ctx, caller, drafts);
  const entries = checked.map((draft) => (draft instanceof Problem ? draft : candidate(ctx, draft)));
  const candidates = entries.filter(isGood);
  const results = entries.map(resultOf);
  if (candidates.length === 0) {
    // By another process, the same request may have taken the last that the limits let through.
    const other = idempotency && (await findEarlierBatch(ctx, caller, idempotency));
    return other ?? { kind: "refused", problem: commonProblem(entries), results };
  }

  const batchId = ctx.clock.uuid();
  const reply: BatchReply = { success: candidates.length === entries.length, batch_id: batchId, results };
  const row = {
    client_id: caller.clientId,
    idempotency_key: idempotency?.key ?? null,
    body_hash: idempotency?.bodyHash ?? null,
    reply: JSON.stringify(reply),
    created_at: ctx.clock.now().toISOString(),
    mails: candidates.map((mail) => mailRow(caller, source, mail, batchId)),
  };
  const commit = async () => (await ctx.db.batch(acceptBatches, row)).length > 0;
  if (await store(ctx, caller, candidates, { allowance, commit })) return { kind: "accepted", reply, replayed: false };
  const winner = idempotency && (await findEarlierBatch(ctx, caller, idempotency));
  if (winner) return winner;
  throw new Error("An idempotency key was taken by a request that has left no batch");
}

async function findEarlierBatch(
  ctx: Context,
  caller: Caller,
  idempotency: Idempotency,
): Promise<BatchOutcome | undefined> {
  const earlier = await findEarlier(ctx, caller, idempotency);
  if (!earlier) return undefined;
  // Two kinds of request cannot be the same one, whatever their bodies look like.
  if (earlier.kind !== "batch") throw idempotencyKeyReused();
  // What this statement's sister wrote.
  return { kind: "accepted", reply: earlier.reply as BatchReply, replayed: true };
}

function isGood<T extends Candidate | Draft>(entry: T | Problem): entry is T {
  return !(entry instanceof Problem);
}

/** After so many mails, whoever else waits for this process gets a turn. */
const checkAtOnce = 50;

async function checkAll(
  ctx: Context,
  caller: Caller,
  mails: readonly (MailInput | Problem)[],
  origin: Origin,
): Promise<(Draft | Problem)[]> {
  const checked: (Draft | Problem)[] = [];
  for (const mail of mails) {
    if (checked.length % checkAtOnce === checkAtOnce - 1) await breathe();
    checked.push(mail instanceof Problem ? mail : await checkMail(ctx, caller, mail, origin).catch(refusalOnly));
  }
  return checked;
}

/** A problem with the mail is its result; one with the system is that of the whole request. */
function refusalOnly(error: unknown): Problem {
  if (error instanceof Problem && error.status < 500) return error;
  throw error;
}

/** Takes the allowance of all drafts; those that get none become problems. */
async function takeAllowances(ctx: Context, caller: Caller, drafts: readonly (Draft | Problem)[]) {
  const counted = drafts.filter(isGood);
  const allowance = await takeAllowance(
    ctx,
    caller,
    counted.map((draft) => ({ recipients: recipientsOf(draft) })),
  );
  const refused = new Map(counted.map((draft, index) => [draft, allowance.refused[index]]));
  return {
    allowance,
    checked: drafts.map((draft) => (draft instanceof Problem ? draft : (refused.get(draft) ?? draft))),
  };
}

function resultOf(entry: Candidate | Problem): BatchResult {
  if (!(entry instanceof Problem)) return { mail_id: entry.id, status: "queued" };
  const { code: error, message, details } = entry;
  return details ? { error, message, details: [...details] } : { error, message };
}

/** Why nothing was queued at all: a limit when that is all there was, and the one that holds for longest. */
function commonProblem(entries: readonly (Candidate | Problem)[]): Problem {
  const refusals = entries.filter((entry) => entry instanceof Problem);
  const [longest] = refusals.toSorted((a, b) => retryAfter(b) - retryAfter(a));
  if (longest && refusals.every(({ status }) => status === 429)) return longest;
  return problems.invalidRequest({ message: "None of the mails can be sent" });
}

function retryAfter({ headers }: Problem): number {
  return Number(headers?.["retry-after"] ?? 0);
}
