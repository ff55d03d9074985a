/** Requests that are repeated under one key: who has used it, and what for. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { findIdempotent, forgetKey, forgetKeys, type EarlierRow } from "./idempotency.sql.ts";
import { idempotencyKeyReused } from "./problems.ts";

export interface Idempotency {
  /** A client's own: another's is another key. */
  key: string;
  /** SHA-256 of the request body, in hex. */
  bodyHash: string;
}

/** What the first request under a key made: one mail, or a batch that got this reply. */
export type Earlier =
  { kind: "mail"; id: string; createdAt: Date; sendAt: Date | undefined } | { kind: "batch"; reply: unknown };

/**
 * What a key stands for; nothing when it is new or more than a day old. Throws `idempotency_key_reused` when it was
 * used for another body.
 */
export async function findEarlier(
  ctx: Context,
  caller: Caller,
  { key, bodyHash }: Idempotency,
): Promise<Earlier | undefined> {
  const values = [caller.clientId, key, keysExpireAt(ctx)];
  const { rows } = await ctx.db.query<EarlierRow>(findIdempotent, values);
  const [earlier] = rows;
  if (!earlier) return undefined;
  if (earlier.expired) {
    await ctx.db.query(forgetKey, values);
    return undefined;
  }
  if (earlier.body_hash !== bodyHash) throw idempotencyKeyReused();
  const { mail_id: id, created_at: createdAt, send_at: sendAt, reply } = earlier;
  return id === null ? { kind: "batch", reply } : { kind: "mail", id, createdAt, sendAt: sendAt ?? undefined };
}

/**
 * Runs `work` for a request that may be repeated. Of those that come to this process at once under one key, the first
 * goes ahead and the others find what it made: none of them writes files or uses up a limit for nothing. (Processes do
 * not wait for each other; between them the key's unique index decides.)
 */
export function inTurn<T>(
  ctx: Context,
  caller: Caller,
  idempotency: Idempotency | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!idempotency) return work();
  return ctx.keysUnderWay.run(JSON.stringify([caller.clientId, idempotency.key]), work);
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
