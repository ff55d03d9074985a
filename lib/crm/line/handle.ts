/** One attempt at one event: claim, record, answer, settle. */
import { setTimeout as pause } from "node:timers/promises";
import type { Outcome } from "../../../runtime/broker.ts";
import type { Context } from "../../../runtime/context.ts";
import { isUnavailable } from "../../resources/database.ts";
import { sayAnswer, type Answered } from "./answer.ts";
import { claimEvents, settleEvents, type ClaimedEvent, type SettleRow } from "./events.sql.ts";
import { learnProfile } from "./profile.ts";
import { recordEvent, type Recorded } from "./record.ts";

/** How long is waited between tries while PostgreSQL is away, in milliseconds. */
const awayPauseMs = 250;
/** Milliseconds before the second, third and fourth attempt. */
const retriesMs = [1000, 5000, 25_000];

/**
 * Makes attempt number `attempt` at an event, if it is that attempt's turn: a message that comes twice or late does
 * nothing. Returns once the outcome is committed; what is left then is the sweep's.
 */
export async function handleEvent(ctx: Context, id: number, attempt: number): Promise<Outcome> {
  ctx.tag({ event: id });
  const [event] = (await patiently(ctx, () => ctx.db.batch(claimEvents, { id, attempt }))) ?? [];
  if (!event) return { kind: "done" };
  ctx.tag({ event_type: event.type });
  try {
    const recorded = await recordedOf(ctx, id, attempt, event);
    if (!recorded) return { kind: "done" };
    ctx.tag({ member_id: recorded.memberId });
    const [answered] = await Promise.all([
      answer(ctx, id, attempt, event, recorded),
      recorded.isNameless || event.type === "follow" ? learnProfile(ctx, recorded.memberId, event.line_uid) : undefined,
    ]);
    if (answered === "lost" || (!answered && recorded.isFresh)) return { kind: "done" };
    await settle(ctx, { id, attempt, ...settlement(answered, attempt) });
  } catch (error) {
    if (isUnavailable(error)) {
      ctx.log.warn({ err: error }, "an event was left to its lease: PostgreSQL is away");
      return { kind: "done" };
    }
    ctx.log.error({ err: error }, "an event of LINE could not be handled");
    const delay_ms = retriesMs[attempt - 1];
    const state = delay_ms === undefined ? "failed" : "received";
    await settle(ctx, { id, attempt, state, answer_state: null, error_code: "fault", delay_ms: delay_ms ?? 0 });
  }
  return { kind: "done" };
}

/** Of this attempt or, with what it does to the database done, of an earlier one. */
async function recordedOf(
  ctx: Context,
  id: number,
  attempt: number,
  event: ClaimedEvent,
): Promise<(Recorded & { isFresh: boolean }) | undefined> {
  if (!event.is_recorded) {
    const recorded = await recordEvent(ctx, id, attempt, event);
    return recorded && { ...recorded, isFresh: true };
  }
  const { member_id, answer: written, answer_state: answerState } = event;
  return { memberId: Number(member_id), isNameless: false, answer: written, answerState, isFresh: false };
}

async function answer(
  ctx: Context,
  id: number,
  attempt: number,
  event: ClaimedEvent,
  { answer: written, answerState: state, isFresh }: Recorded & { isFresh: boolean },
): Promise<Answered | "lost" | undefined> {
  if (!written || !state || !ctx.line || !/^(?:ready|replying|pushing)$/.test(state)) return undefined;
  const answered = await sayAnswer(ctx, ctx.line, {
    eventId: event.event_id,
    lineUid: event.line_uid,
    replyToken: event.content?.replyToken,
    answer: written,
    state,
    isFresh,
    async intend(next) {
      const { rowCount } = await ctx.db.query(
        "UPDATE line_events SET answer_state = $3 WHERE id = $1 AND attempt = $2 AND state = 'handling'",
        [id, attempt, next],
      );
      return rowCount === 1;
    },
  });
  return answered ?? "lost";
}

function settlement(answered: Answered | undefined, attempt: number): Omit<SettleRow, "id" | "attempt"> {
  if (!answered) return { state: "handled", answer_state: null, error_code: null, delay_ms: 0 };
  const { state: answer_state, code, again } = answered;
  const error_code = answer_state === "sent" ? null : code.slice(0, 60);
  const delay_ms = retriesMs[attempt - 1];
  if (again && delay_ms !== undefined) return { state: "received", answer_state, error_code, delay_ms };
  const last = again ? (answer_state === "replying" ? "unknown" : "failed") : answer_state;
  return { state: "handled", answer_state: last, error_code, delay_ms: 0 };
}

async function settle(ctx: Context, row: SettleRow): Promise<void> {
  const settled = await patiently(ctx, () => ctx.db.batch(settleEvents, row));
  const report = { attempt: row.attempt, answer: row.answer_state, code: row.error_code };
  if (!settled?.length) ctx.log.warn(report, "an event's outcome was not recorded: its lease had ended");
  else if (row.error_code !== null) ctx.log.warn(report, `an answer was not sent: the event is ${row.state}`);
}

/** Waits PostgreSQL's absence out, for as long as the call may take; undefined when it stayed away. */
async function patiently<T>(ctx: Context, work: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (ctx.signal.aborted) return undefined;
      await pause(awayPauseMs);
    }
  }
}
