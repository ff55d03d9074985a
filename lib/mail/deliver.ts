/** One attempt at one mail: claim, send, settle. */
import type { Outcome } from "../../runtime/broker.ts";
import type { Context } from "../../runtime/context.ts";
import { Problem } from "../../runtime/problem.ts";
import { isUnavailable, type Statement } from "../resources/database.ts";
import { classify, type Verdict } from "../senders/classify.ts";
import { chooseSender } from "../senders/choose.ts";
import { claimMails, settleMails, type Claimed } from "./deliver.sql.ts";
import { retryLadderMs, type OutgoingMail } from "./mail.ts";
import { decide } from "./outcome.ts";
import { cacheStatus } from "./status.ts";

/** How long is waited between tries while PostgreSQL is away, in milliseconds. */
const awayPauseMs = 250;

/**
 * Makes attempt number `attempt` at a mail, if it is that attempt's turn; a message that comes twice or late does
 * nothing. Returns once the outcome is committed, with what is to become of the message.
 */
export async function attemptDelivery(ctx: Context, mailId: string, attempt: number): Promise<Outcome> {
  const [claimed] = (await persist(ctx, claimMails, { id: mailId, attempt })) ?? [];
  if (!claimed) return { kind: "done" };
  const common = { id: mailId, clientId: claimed.client_id, attempt, createdAt: claimed.created_at };
  cacheStatus(ctx, { ...common, status: "processing", retryCount: claimed.retry_count });

  const mail = outgoing(mailId, attempt, claimed);
  const started = performance.now();
  const { provider, verdict } = await send(ctx, mail);
  const durationMs = Math.round(performance.now() - started);

  const { maxRetries, unknownOutcome } = ctx.config;
  const next = decide(verdict, claimed.retry_count, { ladderMs: retryLadderMs(maxRetries), unknownOutcome });
  const error = next.status === "sent" ? null : `${verdict.code}: ${verdict.reason}`;
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
  const report = { mail_id: mailId, attempt, provider, duration_ms: durationMs, code: verdict.code };
  if (!settled?.length) {
    ctx.log.warn(
      report,
      settled ? "the lease was lost before the attempt was settled" : "the attempt was not recorded",
    );
    return { kind: "done" };
  }
  cacheStatus(ctx, { ...common, status: next.status, retryCount: next.retryCount, error: error ?? "" });
  if (next.status === "sent") ctx.log.info(report, "Mail sent successfully");
  else ctx.log.warn(report, next.status === "failed" ? "Mail failed" : `Mail is tried again: ${next.event}`);

  if (next.status === "failed") return { kind: "dead", reason: verdict.code };
  return next.byLadder ? { kind: "retry", delayMs: next.delayMs } : { kind: "done" };
}

async function send(ctx: Context, mail: OutgoingMail): Promise<{ provider: string; verdict: Verdict }> {
  let provider = "none";
  try {
    const sender = await chooseSender(ctx, mail);
    provider = sender.name;
    return { provider, verdict: classify(await sender.send(mail, ctx), ctx.clock.now().getTime()) };
  } catch (error) {
    if (error instanceof Problem) {
      return { provider, verdict: { kind: "permanent", code: error.code, reason: error.message } };
    }
    ctx.log.error({ err: error, mail_id: mail.id }, "the mail could not be handed to its sender");
    const reason = "The mail could not be handed to its sender";
    return { provider, verdict: { kind: "transient", code: "sender_error", reason } };
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
    names: row.names ?? {},
    subject: row.subject,
    text: row.body ?? undefined,
    html: row.html ?? undefined,
    createdAt: row.created_at,
    attachments: (row.attachments ?? []).map((file) => ({
      filename: file.filename,
      contentType: file.content_type ?? undefined,
      sizeBytes: file.size_bytes,
      path: file.storage_path,
    })),
  };
}
