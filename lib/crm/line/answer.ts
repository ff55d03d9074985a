/** Says an answer to LINE: at most once. */
import type { Context } from "../../../runtime/context.ts";
import type { Line } from "../../resources/line.ts";
import { keyOf } from "../messages/retry-key.ts";
import type { WrittenMessage } from "../messages/written.ts";
import { lineOutcome, type LineOutcome } from "./outcome.ts";
import type { AnswerState } from "./events.sql.ts";

export interface Answering {
  eventId: string;
  lineUid: string;
  replyToken: string | undefined;
  answer: WrittenMessage;
  /** As it was committed before. */
  state: AnswerState;
  /** Whether this attempt committed it: nothing has been said yet. */
  isFresh: boolean;
  /** Commits that LINE is about to be told in this way. False when the lease was lost. */
  intend(state: "replying" | "pushing"): Promise<boolean>;
}

export interface Answered {
  state: AnswerState;
  code: string;
  /** To be tried again later. */
  again: boolean;
}

/**
 * Replies with the event's token, or pushes where that is used up by time. A reply cannot be repeated safely, but its
 * token works once: whoever takes over after a reply that may have arrived replies again, and takes a refused token for
 * a sign that it did. A push has a key made of the event's id, which LINE takes once. Undefined: the lease was lost.
 */
export async function sayAnswer(ctx: Context, line: Line, answering: Answering): Promise<Answered | undefined> {
  const { replyToken } = answering;
  const messages = { json: JSON.stringify(answering.answer.line) };
  let { state, isFresh } = answering;
  if (state === "ready") {
    state = replyToken ? "replying" : "pushing";
    if (!(await answering.intend(state === "replying" ? "replying" : "pushing"))) return undefined;
    isFresh = true;
  }
  if (state === "replying" && replyToken) {
    const outcome = await tell(ctx, "reply to an event", { recipients: 0, keyed: false }, () =>
      line.reply(replyToken, messages, ctx.signal),
    );
    if (outcome.kind !== "permanent" || !isTokensFault(outcome)) return afterReply(outcome);
    if (!isFresh) return { state: "unknown", code: "reply_unknown", again: false };
    state = "pushing";
    if (!(await answering.intend("pushing"))) return undefined;
  }
  const outcome = await tell(ctx, "push an answer", { recipients: 1, keyed: true }, () =>
    line.push(answering.lineUid, messages, keyOf(`line-event:${answering.eventId}`), ctx.signal),
  );
  if (outcome.kind === "accepted") return { state: "sent", code: outcome.code, again: false };
  const again = outcome.kind === "transient" || outcome.kind === "unknown";
  return { state: again ? "pushing" : "failed", code: codeOf(outcome), again };
}

function afterReply(outcome: LineOutcome): Answered {
  if (outcome.kind === "accepted") return { state: "sent", code: outcome.code, again: false };
  if (outcome.kind === "transient") return { state: "ready", code: outcome.code, again: true };
  if (outcome.kind === "unknown") return { state: "replying", code: outcome.code, again: true };
  return { state: "failed", code: codeOf(outcome), again: false };
}

/** "Invalid reply token": it has been used, or has ended. */
function isTokensFault(outcome: LineOutcome): boolean {
  return outcome.kind === "permanent" && /reply token/i.test(outcome.reason);
}

async function tell(
  ctx: Context,
  step: string,
  sent: Parameters<typeof lineOutcome>[1],
  call: () => ReturnType<Line["push"]>,
): Promise<LineOutcome> {
  return await ctx.step(step, { kind: "client" }, async (span) => {
    const outcome = lineOutcome(await call(), sent, ctx.clock.now().getTime());
    span.tag({ code: outcome.code, result: outcome.kind });
    if (outcome.kind !== "accepted") span.fail(outcome.code);
    return outcome;
  });
}

const codeOf = ({ kind, code }: LineOutcome) => (kind === "quota" || kind === "misconfigured" ? kind : code);
