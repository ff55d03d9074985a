/** Sending failed mail again. */
import type { Context } from "../../runtime/context.ts";
import type { Problem } from "../../runtime/problem.ts";
import type { Caller } from "../auth/caller.ts";
import { publishGraceSeconds } from "./mail.ts";
import { cannotRetry } from "./problems.ts";
import { publishSoon } from "./publish.ts";
import { requeueFailed, selectCleaned, type RetriedRow } from "./retry.sql.ts";
import { cacheStatus, readStatus } from "./status.ts";

export interface Retried {
  /** Ids of the mails that are queued again. */
  queued: string[];
  /** The others, each with the reason. */
  refused: { id: string; problem: Problem }[];
}

/**
 * Puts one failed mail of the caller's, or of anyone's for an admin, back into the queue. Throws `mail_not_found`, or
 * `cannot_retry` when it has not failed or its attachments have been cleaned away.
 */
export async function retryMail(ctx: Context, id: string, caller: Caller): Promise<void> {
  await readStatus(ctx, id, caller);
  const { refused } = await retryMails(ctx, [id]);
  if (refused[0]) throw refused[0].problem;
}

/**
 * Puts failed mails back into the queue, whoever they belong to, with all their retries before them. Returns once
 * that is committed; an id that is no mail's counts as one that has not failed.
 */
export async function retryMails(ctx: Context, ids: readonly string[]): Promise<Retried> {
  // With the broker away there will be no message: the sweep may publish as soon as it is back.
  const publishes = ctx.broker.isConnected();
  const values = [ids, publishes ? publishGraceSeconds : 0];
  const { rows } = await ctx.db.query<RetriedRow>(requeueFailed, values);
  for (const { id, client_id: clientId, attempt, created_at: createdAt } of rows) {
    cacheStatus(ctx, { id, clientId, status: "queued", attempt, retryCount: 0, createdAt });
  }
  const jobs = rows.map(({ id, attempt, attachment_bytes, traceparent }) => {
    return { id, attempt: attempt + 1, bytes: Number(attachment_bytes), traceparent };
  });
  if (publishes && jobs.length > 0) publishSoon(ctx, jobs);
  const requeued = new Set(rows.map(({ id }) => id));
  const wanted = [...new Set(ids)];
  const refused = wanted.filter((id) => !requeued.has(id));
  return { queued: wanted.filter((id) => requeued.has(id)), refused: await reasons(ctx, refused) };
}

async function reasons(ctx: Context, refused: readonly string[]): Promise<Retried["refused"]> {
  if (refused.length === 0) return [];
  const { rows } = await ctx.db.query<{ id: string }>(selectCleaned, [refused]);
  const cleaned = new Set(rows.map(({ id }) => id));
  const gone = { message: "The mail's attachments have been cleaned away; send it anew" };
  return refused.map((id) => ({ id, problem: cannotRetry(cleaned.has(id) ? gone : {}) }));
}
