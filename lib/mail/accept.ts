/** Accepting a mail: from a checked request to a committed row, and on to the queue. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { acceptMails } from "./accept.sql.ts";
import { candidate, checkDraft, checkMail, expectedAt, mailRow, recipientsOf, type Origin } from "./candidate.ts";
import type { Draft, MailInput } from "./draft.ts";
import { findEarlier, inTurn, type Idempotency } from "./idempotency.ts";
import { takeAllowance, type Allowance } from "./limits.ts";
import type { MailSource } from "./mail.ts";
import { idempotencyKeyReused } from "./problems.ts";
import { store } from "./store.ts";

export interface Accepted {
  id: string;
  createdAt: Date;
  /** When it is to be sent. */
  expectedAt: Date;
  /** The request had been accepted before, under the same idempotency key. */
  replayed: boolean;
}

export interface AcceptOptions extends Partial<Origin> {
  idempotency?: Idempotency | undefined;
}

/**
 * Accepts a mail for a client. Returns once mail, attachments and idempotency key are committed: from then on it is
 * never lost. Publishing follows in the background. Throws a `Problem` for a mail that cannot be sent; nothing of it
 * is kept then. With an idempotency key that was used before, returns the mail that it stands for.
 */
export function acceptMail(
  ctx: Context,
  caller: Caller,
  input: MailInput,
  options: AcceptOptions = {},
): Promise<Accepted> {
  return inTurn(ctx, caller, options.idempotency, () => accept(ctx, caller, input, options));
}

async function accept(
  ctx: Context,
  caller: Caller,
  input: MailInput,
  { idempotency, large, source = "api" }: AcceptOptions,
): Promise<Accepted> {
  const earlier = idempotency && (await findEarlierMail(ctx, caller, idempotency));
  if (earlier) return earlier;

  const draft = await checkMail(ctx, caller, input, { source, large });
  const allowance = await takeAllowance(ctx, caller, [{ recipients: recipientsOf(draft) }]);
  if (allowance.refused[0]) {
    // By another process, the same request may have taken the last that there was.
    const other = idempotency && (await findEarlierMail(ctx, caller, idempotency));
    if (other) return other;
    throw allowance.refused[0];
  }

  const stored = await commitMail(ctx, caller, draft, { source, allowance, idempotency });
  if (stored) return stored;
  const winner = idempotency && (await findEarlierMail(ctx, caller, idempotency));
  if (winner) return winner;
  throw new Error("An idempotency key was taken by a request that has left no mail");
}

/**
 * Accepts a mail that comes as a draft, with a provider's word for it. Returns and throws as `acceptMail`, which it is
 * without idempotency keys.
 */
export async function acceptDraft(ctx: Context, caller: Caller, draft: Draft, source: MailSource): Promise<Accepted> {
  await checkDraft(ctx, caller, draft, source);
  const allowance = await takeAllowance(ctx, caller, [{ recipients: recipientsOf(draft) }]);
  if (allowance.refused[0]) throw allowance.refused[0];
  const stored = await commitMail(ctx, caller, draft, { source, allowance });
  if (stored) return stored;
  throw new Error("A mail without a key was not stored");
}

interface Committing {
  source: MailSource;
  allowance: Allowance;
  idempotency?: Idempotency | undefined;
}

/** Undefined when the idempotency key was taken. */
async function commitMail(
  ctx: Context,
  caller: Caller,
  draft: Draft,
  { source, allowance, idempotency }: Committing,
): Promise<Accepted | undefined> {
  const mail = candidate(ctx, draft);
  const row = {
    ...mailRow(caller, source, mail, null),
    idempotency_key: idempotency?.key ?? null,
    body_hash: idempotency?.bodyHash ?? null,
  };
  const commit = async () => (await ctx.db.batch(acceptMails, row)).length > 0;
  if (!(await store(ctx, caller, [mail], { allowance, commit }))) return undefined;
  const { id, createdAt } = mail;
  return { id, createdAt, expectedAt: expectedAt({ createdAt, sendAt: draft.sendAt }), replayed: false };
}

async function findEarlierMail(ctx: Context, caller: Caller, idempotency: Idempotency): Promise<Accepted | undefined> {
  const earlier = await findEarlier(ctx, caller, idempotency);
  if (!earlier) return undefined;
  // Two kinds of request cannot be the same one, whatever their bodies look like.
  if (earlier.kind !== "mail") throw idempotencyKeyReused();
  const { id, createdAt } = earlier;
  return { id, createdAt, expectedAt: expectedAt(earlier), replayed: true };
}
