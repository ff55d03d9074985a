/** Receiving a mail by SMTP: from the client's bytes to a committed mail. */
import type { Context } from "../../runtime/context.ts";
import { problems } from "../../runtime/problem.ts";
import type { Received, SmtpRequest } from "../../runtime/smtp.ts";
import type { Caller } from "../auth/caller.ts";
import { checkSenderDomain } from "../auth/relay.ts";
import { acceptDraft } from "./accept.ts";
import { receivedDraft } from "./receive/draft.ts";
import { parseMessage, wholeMessage } from "./receive/parse.ts";

/**
 * Receives a mail. Returns once it is committed: from then on it is never lost. Throws a `Problem` for one that cannot
 * be sent, and what the message throws when its client goes; nothing of it is left then.
 */
export async function receiveMail(ctx: Context, { envelope, message, caller }: SmtpRequest<Caller>): Promise<Received> {
  // To its end, before anything else: a slow client then only holds what its bytes take.
  await using spooled = await ctx.spool.keep(message);
  using turn = await ctx.parsing.take(spooled.sizeBytes, ctx.signal);
  if (!turn) throw problems.unavailable({ message: "Too many large messages at once; try again shortly" });
  const { maxBytes } = ctx.config.attachments;
  await using parsed = await parseMessage(spooled.passing(), {
    stage: (content) => ctx.attachments.stage(content, maxBytes),
    signal: ctx.signal,
    sizeBytes: spooled.sizeBytes,
  });
  // So that nothing is lost of a message that cannot be told into its parts.
  await using whole = parsed.isIncomplete ? await ctx.attachments.stage(spooled.pieces(), maxBytes) : undefined;
  const attachments = whole ? [...parsed.attachments, wholeMessage(whole)] : parsed.attachments;
  const draft = receivedDraft(envelope, { ...parsed, attachments }, maxBytes);
  checkSenderDomain(ctx, draft.from.domain);
  const { id } = await acceptDraft(ctx, caller, draft, "smtp");
  return { text: `Ok: queued as ${id}`, reply: { mail_id: id } };
}
