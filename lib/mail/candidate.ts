/** A mail on its way in: checked, with an id and a time of its own, and not yet stored. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { chooseSender } from "../senders/choose.ts";
import type { MailRow } from "./accept.sql.ts";
import type { LargeContent } from "./draft-attachment.ts";
import { draftMail, invalid, type Draft, type MailInput } from "./draft.ts";
import { publishGraceSeconds, type MailSource } from "./mail.ts";
import { lookAheadSeconds } from "./publish.ts";

export interface Candidate {
  readonly id: string;
  readonly draft: Draft;
  readonly createdAt: Date;
  /** Milliseconds until it is to be published from here; undefined: the sweep publishes it. */
  readonly publishInMs: number | undefined;
  /** When the sweep may publish it. */
  readonly dueAt: Date;
  /** The trace that it belongs to, from here to its provider. */
  readonly traceparent: string;
  /** Of its attachments: `2026/01/20/{mail id}`, by the day in UTC. */
  readonly folder: string;
}

/** How a mail came in. */
export interface Origin {
  source: MailSource;
  /** Finds content of attachments that is not in memory. */
  large: LargeContent | undefined;
}

/** Checks a mail: what it says, and that a provider would take it. Throws a `Problem` for one that cannot be sent. */
export async function checkMail(ctx: Context, caller: Caller, input: MailInput, origin: Origin): Promise<Draft> {
  const limits = { maxAttachmentBytes: ctx.config.attachments.maxBytes, now: ctx.clock.now() };
  const draft = draftMail(input, limits, origin.large);
  await checkDraft(ctx, caller, draft, origin.source);
  return draft;
}

/** Checks that a provider would take it. Throws a `Problem` when not. */
export async function checkDraft(ctx: Context, caller: Caller, draft: Draft, source: MailSource): Promise<void> {
  const sender = await chooseSender(ctx, { source, from: draft.from.address, clientId: caller.clientId });
  const refusals = sender.refusals?.(draft) ?? [];
  if (refusals.length > 0) throw invalid(refusals);
}

/** Gives a draft its id and its times. Its trace is the call's, unless it has one of its own. */
export function candidate(ctx: Context, draft: Draft, traceparent = ctx.trace.traceparent): Candidate {
  const id = ctx.clock.uuid();
  const createdAt = ctx.clock.now();
  const folder = `${createdAt.toISOString().slice(0, 10).replaceAll("-", "/")}/${id}`;
  const sendAt = expectedAt({ createdAt, sendAt: draft.sendAt });
  const waitMs = sendAt.getTime() - createdAt.getTime();
  // With the broker away there will be no message: the sweep may publish the mail as soon as the broker is back.
  const publishes = ctx.broker.isConnected() && waitMs <= lookAheadSeconds * 1000;
  const dueAt = new Date(sendAt.getTime() + (publishes ? publishGraceSeconds * 1000 : 0));
  return { id, draft, createdAt, publishInMs: publishes ? waitMs : undefined, dueAt, traceparent, folder };
}

/** When a mail is sent, as far as can be told: at once, or at the time that its client asked for. */
export function expectedAt({ createdAt, sendAt }: { createdAt: Date; sendAt: Date | undefined }): Date {
  return sendAt !== undefined && sendAt > createdAt ? sendAt : createdAt;
}

/** The mail as it is inserted. */
export function mailRow(caller: Caller, source: MailSource, mail: Candidate, batchId: string | null): MailRow {
  const { draft, folder } = mail;
  // Last the sender, whose own name wins when the mail is for himself, too.
  const named = [...draft.replyTo, ...draft.bcc, ...draft.cc, ...draft.to, draft.from].filter(
    ({ name }) => name !== undefined,
  );
  const names = Object.fromEntries(named.map(({ address, name }) => [address, name ?? ""]));
  return {
    id: mail.id,
    from_address: draft.from.address,
    to_addresses: draft.to.map(({ address }) => address),
    cc_addresses: draft.cc.map(({ address }) => address),
    bcc_addresses: draft.bcc.map(({ address }) => address),
    reply_to: draft.replyTo.map(({ address }) => address),
    headers: draft.headers ?? null,
    names: named.length > 0 ? names : null,
    subject: draft.subject,
    body: draft.text ?? null,
    html: draft.html ?? null,
    client_id: caller.clientId,
    client_name: caller.clientName,
    source,
    metadata: draft.metadata ?? null,
    created_at: mail.createdAt.toISOString(),
    send_at: draft.sendAt?.toISOString() ?? null,
    due_at: mail.dueAt.toISOString(),
    batch_id: batchId,
    attachment_bytes: weightOf(draft),
    relay: null,
    traceparent: mail.traceparent,
    attachments: draft.attachments.map(({ filename, storedAs, contentType, contentId, content }, position) => ({
      position,
      filename,
      content_type: contentType ?? null,
      size_bytes: content.sizeBytes,
      sha256: content.sha256,
      storage_path: `${folder}/${storedAs}`,
      content_id: contentId ?? null,
    })),
  };
}

export function recipientsOf({ to, cc, bcc }: Draft): string[] {
  return [...to, ...cc, ...bcc].map(({ address }) => address);
}

/** Characters of text that weigh nothing: as many mails as a worker delivers at once may have them. */
const lightText = 128 * 1024;

/**
 * What a mail weighs for whoever delivers it, in bytes: its attachments, of which never all is in memory, and its text,
 * which is there twice: by itself, and in what the provider is sent.
 */
export function weightOf({ attachments, text = "", html = "" }: Draft): number {
  const length = text.length + html.length;
  const ofText = length > lightText ? 2 * length : 0;
  return attachments.reduce((bytes, { content }) => bytes + content.sizeBytes, ofText);
}
