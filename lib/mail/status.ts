/** A mail's state: from the cache where it is there, from PostgreSQL otherwise, and only for those it belongs to. */
import type { Context } from "../../runtime/context.ts";
import type { Caller } from "../auth/caller.ts";
import { isUnavailable } from "../resources/database.ts";
import { stateVersion, type MailStatus } from "./mail.ts";
import { mailNotFound } from "./problems.ts";
import { selectEvents, selectStatus, type StatusRow } from "./status.sql.ts";

/** What the cache keeps of a mail. Times are ISO 8601. */
interface CachedStatus {
  clientId: string;
  status: MailStatus;
  retryCount: number;
  createdAt: string;
  sentAt: string | null;
  updatedAt: string;
  error: string;
}

export interface StatusChange {
  id: string;
  clientId: string;
  status: MailStatus;
  attempt: number;
  retryCount: number;
  createdAt: Date;
  error?: string;
}

export interface MailState {
  mail_id: string;
  status: MailStatus;
  retry_count: number;
  created_at: string;
  sent_at: string | null;
  last_updated: string;
  error_message: string;
}

export interface MailEvent {
  at: string;
  type: string;
  provider: string | null;
  duration_ms: number | null;
  code: string | null;
  message: string | null;
}

const key = (id: string) => `mail:status:${id}`;

/** Writes a committed change to the cache, in the background; an older change never replaces a newer one. */
export function cacheStatus(ctx: Pick<Context, "cache" | "config" | "clock">, change: StatusChange): void {
  const now = ctx.clock.now().toISOString();
  const value: CachedStatus = {
    clientId: change.clientId,
    status: change.status,
    retryCount: change.retryCount,
    createdAt: change.createdAt.toISOString(),
    sentAt: change.status === "sent" ? now : null,
    updatedAt: now,
    error: change.error ?? "",
  };
  ctx.cache.put(key(change.id), value, stateVersion(change.status, change.attempt), ctx.config.statusTtlSeconds);
}

/** Drops what the cache says of a mail, so that the next look asks PostgreSQL. */
export function forgetStatus(ctx: Pick<Context, "cache">, id: string): void {
  ctx.cache.drop(key(id));
}

/**
 * The state of a mail of the caller's, or of anyone's for an admin. Throws `mail_not_found`; with PostgreSQL away it
 * answers from the cache where that knows the mail.
 */
export async function readStatus(ctx: Context, id: string, caller: Caller): Promise<MailState> {
  const state = await find(ctx, id);
  if (!state || !caller.mayRead(state.clientId)) throw mailNotFound();
  const { clientId: _owner, ...visible } = state;
  return visible;
}

/** The attempts made at a mail, oldest first. Ask `readStatus` first: this does not look whose mail it is. */
export async function readEvents(ctx: Context, id: string): Promise<MailEvent[]> {
  const { rows } = await ctx.db.query<Omit<MailEvent, "at"> & { at: Date }>(selectEvents, [id]);
  return rows.map((row) => Object.assign(row, { at: row.at.toISOString() }));
}

/** How long the cache is believed about a state that can still change, in milliseconds. */
const believedMs = 2000;

/**
 * The cache is told of every change but not reliably: a write is lost with the connection. What can still change is
 * therefore looked up again when it is no longer fresh; only with PostgreSQL away does an old answer do.
 */
async function find(ctx: Context, id: string): Promise<(MailState & { clientId: string }) | undefined> {
  const cached = await ctx.cache.get<CachedStatus>(key(id));
  if (!cached) return fromDatabase(ctx, id);
  const final = cached.status === "sent" || cached.status === "cancelled";
  const age = ctx.clock.now().getTime() - Date.parse(cached.updatedAt);
  if (final || age < believedMs) return fromCache(id, cached);
  try {
    return await fromDatabase(ctx, id);
  } catch (error) {
    if (isUnavailable(error)) return fromCache(id, cached);
    throw error;
  }
}

function fromCache(id: string, cached: CachedStatus): MailState & { clientId: string } {
  return {
    clientId: cached.clientId,
    mail_id: id,
    status: cached.status,
    retry_count: cached.retryCount,
    created_at: cached.createdAt,
    sent_at: cached.sentAt,
    last_updated: cached.updatedAt,
    error_message: cached.error,
  };
}

async function fromDatabase(ctx: Context, id: string): Promise<(MailState & { clientId: string }) | undefined> {
  const { rows } = await ctx.db.query<StatusRow>(selectStatus, [id]);
  const [row] = rows;
  if (!row) return undefined;
  return {
    clientId: row.client_id,
    mail_id: row.id,
    status: row.status,
    retry_count: row.retry_count,
    created_at: row.created_at.toISOString(),
    sent_at: row.sent_at?.toISOString() ?? null,
    last_updated: row.updated_at.toISOString(),
    error_message: row.error_message ?? "",
  };
}
