/** A batch in one request: everybody gets the same. */
import type { Context } from "../../../runtime/context.ts";
import type { Line } from "../../resources/line.ts";
import { lineOutcome, type LineOutcome } from "../line/outcome.ts";
import { failed, plainFate, withIds, type Batch, type Known, type Result } from "./attempt.ts";
import type { Noted } from "./batches.sql.ts";
import { ladderMs } from "./campaign.ts";

/** Milliseconds until a request that LINE does not answer is given up. */
const requestLimitMs = 20_000;

export async function sendMulticast(ctx: Context, line: Line, batch: Batch): Promise<Result> {
  const { known, noted } = withIds(batch.recipients);
  if (known.length === 0) return { fate: { ...plainFate, state: "sent" }, noted };
  if (!(await ctx.linePace.take("multicast", 1, ctx.signal))) {
    return { fate: { ...plainFate, state: "pending", certain: true, error: "It was not its turn in time" }, noted };
  }
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(requestLimitMs)]);
  const to = known.map(({ line_uid }) => line_uid);
  const answer = await line.multicast(to, batch.json(null), batch.retryKey, signal, batch.unit);
  const outcome = lineOutcome(answer, { recipients: to.length, keyed: true }, ctx.clock.now().getTime());
  return resultOf(outcome, batch, known, noted);
}

function resultOf(outcome: LineOutcome, batch: Batch, known: readonly Known[], noted: Noted[]): Result {
  switch (outcome.kind) {
    case "accepted":
      return { fate: { ...plainFate, state: "sent" }, noted };
    case "transient":
    case "unknown":
      return { fate: again(outcome, batch), noted };
    case "bad_ids": {
      const { reason: error, indexes } = outcome;
      // Another list is another request, with a key of its own; a list of pushes has one for each.
      const fate = { ...plainFate, state: "pending", certain: true, other: true, error } as const;
      if (indexes.length === 0) return { fate: { ...fate, singly: true }, noted };
      const bad = indexes.flatMap((index) => known[index] ?? []);
      return { fate, noted: [...noted, ...bad.map((recipient) => failed(recipient, error))] };
    }
    case "quota":
    case "misconfigured":
      return {
        fate: { ...plainFate, state: "pending", certain: true, error: outcome.reason, stop: outcome.reason },
        noted,
      };
    case "permanent":
      return { fate: { ...plainFate, state: "failed", certain: true, error: outcome.reason }, noted };
  }
}

/** Again after a while, or given up after the fourth request. */
function again(
  outcome: LineOutcome & { kind: "transient" | "unknown" },
  { tries, fresh }: Pick<Batch, "tries" | "fresh">,
): Result["fate"] {
  const { kind, code, reason: error } = outcome;
  const ladder = ladderMs[tries];
  if (ladder === undefined) {
    return { ...plainFate, state: kind === "unknown" ? "unknown" : "failed", tries: tries + 1, error };
  }
  const delay_ms = Math.max(1, (kind === "transient" ? outcome.retryAfterMs : null) ?? ladder);
  // LINE does nothing of what it refuses for coming too fast.
  return { ...plainFate, state: "pending", tries: tries + 1, delay_ms, certain: fresh && code === "http_429", error };
}
