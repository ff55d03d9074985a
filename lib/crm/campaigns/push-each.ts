/** A batch as a push for each: everybody has links of his own. */
import { createHash } from "node:crypto";
import type { Context } from "../../../runtime/context.ts";
import type { Line } from "../../resources/line.ts";
import { lineOutcome, type LineOutcome } from "../line/outcome.ts";
import { failed, plainFate, withIds, type Batch, type Recipient, type Result } from "./attempt.ts";
import type { Noted } from "./batches.sql.ts";
import { ladderMs } from "./campaign.ts";

/** Pushes of one batch that are under way at once: those of all batches together stay below the connections to LINE. */
const lanes = 4;
/** Turns that are asked for together. */
const turnsAtOnce = 50;
/** Milliseconds until a push that LINE does not answer is given up, and until a batch begins no more of them. */
const pushLimitMs = 15_000;
const batchLimitMs = 35_000;

/** Why no more pushes are begun: LINE asks for patience, or the campaign ends. */
interface Halt {
  retryAfterMs: number | null;
  stop: string | null;
}

export async function pushEach(ctx: Context, line: Line, batch: Batch): Promise<Result> {
  const { known, noted } = withIds(batch.recipients);
  const accepted: Recipient[] = [];
  const again: (Noted & { certain: boolean })[] = [];
  const nextTurn = turns(ctx, known.length);
  const deadline = performance.now() + batchLimitMs;
  let begun = 0;
  let halt: Halt | undefined;

  function judge(recipient: Recipient, outcome: LineOutcome): void {
    switch (outcome.kind) {
      case "accepted":
        return void accepted.push(recipient);
      case "transient":
      case "unknown": {
        const tries = recipient.tries + 1;
        if (tries > ladderMs.length) return void noted.push({ ...failed(recipient, outcome.reason), tries });
        const certain = outcome.code === "http_429";
        again.push({ member_id: recipient.member_id, status: "pending", tries, error: outcome.reason, certain });
        if (certain) halt ??= { retryAfterMs: retryAfterOf(outcome), stop: null };
        return;
      }
      case "quota":
      case "misconfigured":
        halt = { retryAfterMs: null, stop: outcome.reason };
        return;
      case "bad_ids":
      case "permanent":
        noted.push(failed(recipient, outcome.reason));
    }
  }

  async function lane(): Promise<void> {
    for (;;) {
      if (halt || ctx.signal.aborted || performance.now() > deadline || begun >= known.length) return;
      const recipient = known[begun++];
      if (!recipient) return;
      if (!(await nextTurn())) {
        // It was not begun after all; nor is any other from here on.
        halt ??= { retryAfterMs: null, stop: null };
        untried.push(recipient);
        return;
      }
      judge(recipient, await push(ctx, line, batch, recipient));
    }
  }

  const untried: Recipient[] = [];
  await Promise.all(Array.from({ length: Math.min(lanes, known.length) }, lane));
  const isDone = begun >= known.length && again.length === 0 && untried.length === 0 && !halt?.stop;
  if (isDone) return { fate: { ...plainFate, state: "sent" }, noted };
  const sent = accepted.map(({ member_id, tries }): Noted => ({ member_id, status: "sent", tries, error: null }));
  return {
    fate: {
      ...plainFate,
      state: "pending",
      delay_ms: delayOf(again, halt),
      certain: batch.fresh && again.every(({ certain }) => certain),
      error: halt?.stop ?? again[0]?.error ?? "It was not its turn in time",
      stop: halt?.stop ?? null,
    },
    noted: [...noted, ...sent, ...again],
  };
}

async function push(
  ctx: Context,
  line: Line,
  batch: Batch,
  { member_id, line_uid }: { member_id: string; line_uid: string },
): Promise<LineOutcome> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), pushLimitMs);
  try {
    const messages = batch.json(Number(member_id));
    const key = keyOf(batch.retryKey, member_id);
    const answer = await line.push(line_uid, messages, key, late.signal, batch.unit);
    return lineOutcome(answer, { recipients: 1, keyed: true }, ctx.clock.now().getTime());
  } finally {
    clearTimeout(timer);
  }
}

/** The retry key of one member's push: the same after a crash (a UUID of RFC 9562, version 5, in the batch's name). */
export function keyOf(batchKey: string, memberId: string): string {
  const hash = createHash("sha1")
    .update(Buffer.from(batchKey.replaceAll("-", ""), "hex"))
    .update(memberId)
    .digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Hands out the turns of LINE's limit, asked for by the dozen. False: not in time. */
function turns({ linePace, signal }: Pick<Context, "linePace" | "signal">, count: number): () => Promise<boolean> {
  let left = count;
  let free = 0;
  let asking: Promise<boolean> | undefined;
  async function ask(): Promise<boolean> {
    const turnsNow = Math.max(1, Math.min(left, turnsAtOnce));
    const granted = await linePace.take("push", turnsNow, signal);
    if (granted) free += turnsNow;
    left -= turnsNow;
    asking = undefined;
    return granted;
  }
  return async () => {
    while (free === 0) if (!(await (asking ??= ask()))) return false;
    free--;
    return true;
  };
}

function retryAfterOf(outcome: LineOutcome): number | null {
  return outcome.kind === "transient" ? outcome.retryAfterMs : null;
}

/** As long as LINE says, else by the ladder; at once for what only was not its turn. */
function delayOf(again: readonly Noted[], halt: Halt | undefined): number {
  if (halt?.retryAfterMs != null) return Math.max(1, halt.retryAfterMs);
  const tries = Math.max(0, ...again.map((noted) => noted.tries));
  return tries === 0 ? 0 : (ladderMs[tries - 1] ?? 0);
}
