/** Accepting mail: from a checked request to a committed row, and on to the queue. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { isUnavailable } from "../resources/database.ts";
import { chooseSender } from "../senders/choose.ts";
import { acceptMails, findIdempotent, forgetKey, forgetKeys, type AcceptRow } from "./accept.sql.ts";
import { draftMail, invalid, type Draft, type MailInput } from "./draft.ts";
import { publishGraceSeconds } from "./mail.ts";
import { idempotencyKeyReused } from "./problems.ts";
import { publishSoon } from "./publish.ts";
import { cacheStatus } from "./status.ts";

export interface Accepted {
  id: string;
  createdAt: Date;
  /** The request had been accepted before, under the same idempotency key. */
  replayed: boolean;
}

export interface Idempotency {
  key: string;
  /** SHA-256 of the request body, in hex. */
  bodyHash: string;
}

/**
 * Accepts a mail for a client. Returns once mail, attachments and idempotency key are committed: from then on it is
 * never lost. Publishing follows in the background. Throws a `Problem` for a mail that cannot be sent; nothing of it
 * is kept then. With an idempotency key that was used before, returns the mail that it stands for.
 */
export async function acceptMail(
  ctx: Context,
  caller: Caller,
  input: MailInput,
  idempotency?: Idempotency,
): Promise<Accepted> {
  const draft = draftMail(input, { maxAttachmentBytes: ctx.config.attachments.maxBytes });
  const { address: from } = draft.from;
  const sender = await chooseSender(ctx, { source: "api", from, clientId: caller.clientId });
  const refusals = sender.refusals?.(draft) ?? [];
  if (refusals.length > 0) throw invalid(refusals);
  if (idempotency) {
    const earlier = await findEarlier(ctx, caller, idempotency);
    if (earlier) return earlier;
  }
  const id = ctx.clock.uuid();
  const createdAt = ctx.clock.now();
  const folder = attachmentFolder(id, createdAt);
  // With the broker away there will be no message: the sweep may publish the mail as soon as the broker is back.
  const publishes = ctx.broker.isConnected();
  const dueAt = new Date(createdAt.getTime() + (publishes ? publishGraceSeconds * 1000 : 0));
  let stored = false;
  try {
    if (draft.attachments.length > 0) {
      const files = draft.attachments.map(({ storedAs, content }) => ({ name: storedAs, content }));
      await ctx.attachments.write(folder, files);
    }
    const rows = await ctx.db.batch(acceptMails, row({ id, createdAt, dueAt, caller, draft, folder, idempotency }));
    stored = rows.length > 0;
  } catch (error) {
    // With the connection lost, the commit may still happen: its files stay, and should it not, the cleaning of
    // attachments finds them.
    stored = isUnavailable(error);
    throw error;
  } finally {
    if (!stored && draft.attachments.length > 0) ctx.defer(ctx.attachments.remove(folder));
  }
  if (!stored && idempotency) {
    const earlier = await findEarlier(ctx, caller, idempotency);
    if (earlier) return earlier;
    throw new Error("An idempotency key was taken by a request that has left no mail");
  }
  cacheStatus(ctx, { id, clientId: caller.clientId, status: "queued", attempt: 0, retryCount: 0, createdAt });
  if (publishes) publishSoon(ctx, id, 1);
  return { id, createdAt, replayed: false };
}

interface EarlierRow {
  mail_id: string;
  body_hash: string;
  created_at: Date;
  expired: boolean;
}

/** How long an idempotency key is remembered. */
const keyLifetimeMs = 24 * 60 * 60 * 1000;
const forgetAtOnce = 10_000;

function keysExpireAt(ctx: Pick<Context, "clock">): Date {
  return new Date(ctx.clock.now().getTime() - keyLifetimeMs);
}

/** Forgets the idempotency keys that have had their day. */
export async function forgetExpiredKeys(ctx: Context): Promise<void> {
  for (;;) {
    const { rowCount } = await ctx.db.query(forgetKeys, [keysExpireAt(ctx), forgetAtOnce]);
    if ((rowCount ?? 0) < forgetAtOnce) return;
  }
}

async function findEarlier(
  ctx: Context,
  caller: Caller,
  { key, bodyHash }: Idempotency,
): Promise<Accepted | undefined> {
  const values = [caller.clientId, key, keysExpireAt(ctx)];
  const { rows } = await ctx.db.query<EarlierRow>(findIdempotent, values);
  const [earlier] = rows;
  if (!earlier) return undefined;
  if (earlier.expired) {
    await ctx.db.query(forgetKey, values);
    return undefined;
  }
  if (earlier.body_hash !== bodyHash) throw idempotencyKeyReused();
  return { id: earlier.mail_id, createdAt: earlier.created_at, replayed: true };
}

/** `2026/01/20/{mail id}`, by the day in UTC. */
function attachmentFolder(id: string, createdAt: Date): string {
  return `${createdAt.toISOString().slice(0, 10).replaceAll("-", "/")}/${id}`;
}

interface Acceptance {
  id: string;
  createdAt: Date;
  dueAt: Date;
  caller: Caller;
  draft: Draft;
  folder: string;
  idempotency: Idempotency | undefined;
}

function row({ id, createdAt, dueAt, caller, draft, folder, idempotency }: Acceptance): AcceptRow {
  // Last the sender, whose own name wins when the mail is for himself, too.
  const named = [...draft.bcc, ...draft.cc, ...draft.to, draft.from].filter(({ name }) => name !== undefined);
  const names = Object.fromEntries(named.map(({ address, name }) => [address, name ?? ""]));
  return {
    id,
    from_address: draft.from.address,
    to_addresses: draft.to.map(({ address }) => address),
    cc_addresses: draft.cc.map(({ address }) => address),
    bcc_addresses: draft.bcc.map(({ address }) => address),
    names: named.length > 0 ? names : null,
    subject: draft.subject,
    body: draft.text ?? null,
    html: draft.html ?? null,
    client_id: caller.clientId,
    client_name: caller.clientName,
    metadata: draft.metadata ?? null,
    created_at: createdAt.toISOString(),
    due_at: dueAt.toISOString(),
    idempotency_key: idempotency?.key ?? null,
    body_hash: idempotency?.bodyHash ?? null,
    attachments: draft.attachments.map(({ filename, storedAs, contentType, content }, position) => ({
      position,
      filename,
      content_type: contentType ?? null,
      size_bytes: content.length,
      storage_path: `${folder}/${storedAs}`,
    })),
  };
}
