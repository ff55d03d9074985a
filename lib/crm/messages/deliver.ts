/** One attempt at one message, and those that are due. */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../../runtime/context.ts";
import { isUnavailable } from "../../resources/database.ts";
import { lineOutcome, type LineOutcome } from "../line/outcome.ts";
import { claimDue, endAttempt, type Delivery } from "./deliver.sql.ts";

export type DeliveryOutcome =
  { status: "sent" } | { status: "pending" } | { status: "failed"; reason: string; isQuota: boolean };

/** Messages that one run sends at once. */
const atOnce = 20;
const attemptMs = 30_000;
const awayPauseMs = 250;
/** Milliseconds before the second attempt; each further one waits twice as long, up to `longestPauseMs`. */
const firstPauseMs = 2000;
const longestPauseMs = 15 * 60 * 1000;

/** Sends what is due, until nothing is or the call's time is up; the rest is the next call's. */
export async function sendDue(ctx: Context): Promise<void> {
  while (ctx.line && !ctx.signal.aborted) {
    const { rows } = await ctx.db.query<Delivery & Record<string, unknown>>(claimDue, [atOnce]);
    const attempts = rows.map((row) =>
      attemptDelivery(ctx, row, AbortSignal.any([ctx.signal, AbortSignal.timeout(attemptMs)])),
    );
    await Promise.all(attempts);
    if (rows.length < atOnce) break;
  }
}

/** Makes a claimed attempt. Returns once its outcome is committed, or PostgreSQL has been away for too long for that. */
export async function attemptDelivery(ctx: Context, delivery: Delivery, signal: AbortSignal): Promise<DeliveryOutcome> {
  const outcome = await outcomeOf(ctx, delivery, signal);
  const { id, attempt } = delivery;
  if (outcome.kind === "accepted") {
    await end(ctx, [id, attempt, "sent", null, null, 0]);
    return { status: "sent" };
  }
  const { code, reason } = outcome;
  ctx.log.warn({ message_id: id, attempt, code, result: outcome.kind }, "a message was not sent");
  // A wrong token is the operator's to put right; until then messages wait.
  if (outcome.kind === "transient" || outcome.kind === "unknown" || outcome.kind === "misconfigured") {
    const asked = outcome.kind === "transient" ? (outcome.retryAfterMs ?? 0) : 0;
    const pauseMs = Math.min(Math.max(firstPauseMs * 2 ** Math.min(attempt - 1, 20), asked), longestPauseMs);
    await end(ctx, [id, attempt, "queued", code, reason, pauseMs]);
    return { status: "pending" };
  }
  await end(ctx, [id, attempt, "failed", code, reason, 0]);
  return { status: "failed", reason, isQuota: outcome.kind === "quota" };
}

async function outcomeOf(ctx: Context, delivery: Delivery, signal: AbortSignal): Promise<LineOutcome> {
  const { line_uid: to, line_messages: messages, retry_key: key, is_blocked: isBlocked, is_stale: isStale } = delivery;
  const refused = (code: string, reason: string): LineOutcome => ({ kind: "permanent", code, reason });
  if (isStale) return refused("stale", "LINE was away for a day: whether it has the message cannot be known");
  if (to === null) return refused("no_line_account", "The member has no LINE account");
  if (isBlocked) return refused("blocked", "The member has blocked the account");
  const { line } = ctx;
  if (!line) return refused("line_not_set", "LINE_CHANNEL_ACCESS_TOKEN is not set");
  return await ctx.step("push a message", { kind: "client" }, async (step) => {
    const answer = await line.push(to, { json: JSON.stringify(messages) }, key, signal);
    const outcome = lineOutcome(answer, { recipients: 1, keyed: true }, ctx.clock.now().getTime());
    step.tag({ code: outcome.code, result: outcome.kind });
    if (outcome.kind !== "accepted") step.fail(outcome.code);
    return outcome;
  });
}

/** Waits PostgreSQL's absence out for as long as the call may take: then the lease brings the message back, with its key. */
async function end(ctx: Context, values: readonly unknown[]): Promise<void> {
  for (;;) {
    try {
      const { rowCount } = await ctx.db.query(endAttempt, values);
      if (rowCount !== 1) ctx.log.warn({ message_id: values[0] }, "a message's lease was lost before it was settled");
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (ctx.signal.aborted) return ctx.log.warn({ message_id: values[0] }, "a message's outcome was not recorded");
      await pause(awayPauseMs);
    }
  }
}
