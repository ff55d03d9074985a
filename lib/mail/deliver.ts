/** One attempt at one mail: weigh, claim, send, settle. */
import type { Outcome } from "../../runtime/broker.ts";
import type { Context } from "../../runtime/context.ts";
import { Problem } from "../../runtime/problem.ts";
import { isUnavailable, type Statement } from "../resources/database.ts";
import { classify, type Verdict } from "../senders/classify.ts";
import { chooseSender } from "../senders/choose.ts";
import type { AttemptResult } from "../resources/mail-metrics.ts";
import { maskAddress } from "./address.ts";
import { claimMails, settleMails, type Claimed } from "./deliver.sql.ts";
import { retryLadderMs, type MailJob, type OutgoingMail } from "./mail.ts";
import { asksForEase, decide } from "./outcome.ts";
import { cacheStatus } from "./status.ts";

/** How long is waited between tries while PostgreSQL is away, in milliseconds. */
const awayPauseMs = 250;

/** Up to this, in bytes, a mail weighs nothing: as many as there are workers fit in everywhere. */
const lightBytes = 256 * 1024;
/** How long a heavy mail waits for its weight, in milliseconds. Most of its call's time is for sending it. */
const weighMs = 15_000;

/**
 * Delivers the mail of a message, if this attempt is its turn. A heavy one first takes its weight from what the process
 * has for all of them; one that has to wait too long, or is told to end, goes back to the queue, and no attempt has
 * been made.
 */
export async function deliverMail(ctx: Context, { mail_id, bytes = 0 }: MailJob, attempt: number): Promise<Outcome> {
  if (bytes <= lightBytes) return attemptDelivery(ctx, mail_id, attempt);
  using weight = await ctx.weights.take(bytes, { withinMs: weighMs, signal: ctx.signal });
  if (!weight) return { kind: "requeue", at: ctx.signal.aborted ? "front" : "end" };
  return await attemptDelivery(ctx, mail_id, attempt);
}

/**
 * Makes attempt number `attempt` at a mail, if it is that attempt's turn; a message that comes twice or late does
 * nothing. Returns once the outcome is committed, with what is to become of the message.
 */
export async function attemptDelivery(ctx: Context, mailId: string, attempt: number): Promise<Outcome> {
  ctx.tag({ mail_id: mailId });
  const [claimed] = (await persist(ctx, claimMails, { id: mailId, attempt })) ?? [];
  if (!claimed) return { kind: "done" };
  ctx.tag({ client_id: claimed.client_id });
  const common = { id: mailId, clientId: claimed.client_id, attempt, createdAt: claimed.created_at };
  cacheStatus(ctx, { ...common, status: "processing", retryCount: claimed.retry_count });

  const started = performance.now();
  const mail = outgoing(mailId, attempt, claimed);
  const { provider, verdict, result, ease } = await send(ctx, mail);
  const durationMs = Math.round(performance.now() - started);

  const { maxRetries, unknownOutcome } = ctx.config;
  const next = decide(verdict, claimed.retry_count, { ladderMs: retryLadderMs(maxRetries), unknownOutcome });
  // Elsewhere a sender has no limits of its own.
  const mailbox = provider === "graph" ? maskAddress(mail.from) : "";
  ctx.mailMetrics.attempted({ provider, mailbox, result, event: next.event, durationMs });
  const error = next.status === "sent" ? (verdict.remark ?? null) : `${verdict.code}: ${verdict.reason}`;
  const settled = await persist(ctx, settleMails, {
    id: mailId,
    attempt,
    status: next.status,
    retry_count: next.retryCount,
    error_message: error,
    delay_ms: next.delayMs,
    published: next.byLadder,
    event: next.event,
    provider,
    duration_ms: durationMs,
    code: verdict.code,
  });
  ctx.tag({ provider, code: verdict.code });
  const report = { duration_ms: durationMs };
  const patience = ease ? { ease } : {};
  if (!settled?.length) {
    ctx.log.warn(
      report,
      settled ? "the lease was lost before the attempt was settled" : "the attempt was not recorded",
    );
    return { kind: "done", ...patience };
  }
  cacheStatus(ctx, { ...common, status: next.status, retryCount: next.retryCount, error: error ?? "" });
  if (next.status === "sent") ctx.log.info(report, "Mail sent successfully");
  else ctx.log.warn(report, next.status === "failed" ? "Mail failed" : `Mail is tried again: ${next.event}`);

  if (next.status === "failed") return { kind: "dead", reason: verdict.code, ...patience };
  return next.byLadder ? { kind: "retry", delayMs: next.delayMs, ...patience } : { kind: "done", ...patience };
}

interface Sending {
  /** Name of the sender; `none` where there is none for this mail. */
  provider: string;
  verdict: Verdict;
  /** For the metrics. */
  result: AttemptResult;
  ease: boolean;
}

async function send(ctx: Context, mail: OutgoingMail): Promise<Sending> {
  let provider = "none";
  try {
    const sender = await chooseSender(ctx, mail);
    provider = sender.name;
    const tags = { mail_id: mail.id, client_id: mail.clientId, attempt: mail.attempt, provider };
    const [answer, verdict] = await ctx.step(`send by ${provider}`, { kind: "client", tags }, async (step) => {
      const answer = await sender.send(mail, ctx);
      const verdict = classify(answer, ctx.clock.now().getTime());
      step.tag({ code: verdict.code, result: verdict.kind });
      if (verdict.kind !== "accepted") step.fail(verdict.code);
      return [answer, verdict] as const;
    });
    const result = answer.kind === "held" ? "held" : verdict.kind === "permanent" ? "failed" : verdict.kind;
    return { provider, verdict, result, ease: asksForEase(answer, verdict) };
  } catch (error) {
    if (error instanceof Problem) {
      const { code, message: reason } = error;
      return { provider, verdict: { kind: "permanent", code, reason }, result: "failed", ease: false };
    }
    ctx.log.error({ err: error }, "the mail could not be handed to its sender");
    const reason = "The mail could not be handed to its sender";
    const verdict: Verdict = { kind: "transient", code: "sender_error", reason };
    return { provider, verdict, result: "transient", ease: false };
  }
}

/**
 * Claims or settles. PostgreSQL being away is waited out for as long as the call may take: once the provider has
 * accepted the mail, giving up would make a duplicate. Undefined when it stayed away: the message is then of no more
 * use, and the sweep brings the mail back, due or by its lease.
 */
async function persist<In extends object, Out extends object>(
  ctx: Context,
  statement: Statement<In, Out>,
  row: In,
): Promise<Out[] | undefined> {
  for (;;) {
    try {
      return await ctx.db.batch(statement, row);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (ctx.signal.aborted) return undefined;
      await new Promise((resolve) => setTimeout(resolve, awayPauseMs));
    }
  }
}

function outgoing(id: string, attempt: number, row: Claimed): OutgoingMail {
  return {
    id,
    attempt,
    source: row.source,
    clientId: row.client_id,
    from: row.from_address,
    to: row.to_addresses,
    cc: row.cc_addresses,
    bcc: row.bcc_addresses,
    replyTo: row.reply_to,
    headers: row.headers ?? {},
    names: row.names ?? {},
    subject: row.subject,
    text: row.body === null ? undefined : withoutLoneCr(row.body),
    html: row.html === null ? undefined : withoutLoneCr(row.html),
    createdAt: row.created_at,
    attachments: (row.attachments ?? []).map((file) => ({
      filename: file.filename,
      contentType: file.content_type ?? undefined,
      contentId: file.content_id ?? undefined,
      sizeBytes: file.size_bytes,
      path: file.storage_path,
    })),
    ...(row.relay !== null && { relay: row.relay }),
  };
}

/** CR without LF is a line end to some and nothing to others: what lies behind it could be smuggled. */
function withoutLoneCr(text: string): string {
  return text.includes("\r") ? text.replaceAll(/\r(?!\n)/g, "\n") : text;
}
