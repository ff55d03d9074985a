/** Failed mail as an operator works it off: the list, and what is taken from it. */
import type { Context } from "../../runtime/context.ts";
import { markDropped, selectFailed, selectOnList, type FailedRow } from "./failed.sql.ts";

export interface FailedFilter {
  client?: string | undefined;
  /** Code of the last attempt. */
  code?: string | undefined;
}

/** Failed mails, newest first: at most `limit`, or all. */
export async function listFailed(ctx: Context, { client, code }: FailedFilter, limit?: number): Promise<FailedRow[]> {
  const values = [client ?? null, code ?? null, limit ?? null];
  return (await ctx.db.query<FailedRow>(selectFailed, values)).rows;
}

/** Takes failed mails off the list for good; in history they stay. Returns the ids of those that were on it. */
export async function dropMails(ctx: Context, ids: readonly string[]): Promise<string[]> {
  const { rows } = await ctx.db.query<{ id: string }>(markDropped, [ids]);
  return rows.map(({ id }) => id);
}

/**
 * Brings the queue of failed mail in line with the list: takes the messages of mails that are no longer on it, and
 * all but one of each that is. Returns how many were taken. A mail is on the list before its message is published, so
 * no message is taken too early.
 */
export async function tidyFailedQueue(ctx: Context): Promise<number> {
  const seen = new Set<string>();
  return ctx.broker.take(ctx.config.queues.failed, async (message) => {
    const id = mailIdOf(message);
    if (id === undefined) return false;
    if (seen.has(id)) return true;
    seen.add(id);
    return (await ctx.db.batch(selectOnList, { id })).length === 0;
  });
}

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Whether a text could be the id of a mail: the database takes nothing else. */
export function isMailId(text: string): boolean {
  return uuidPattern.test(text);
}

/** Undefined for a message that is none of ours. */
function mailIdOf(message: unknown): string | undefined {
  if (typeof message !== "object" || message === null || !("mail_id" in message)) return undefined;
  const { mail_id: id } = message;
  return typeof id === "string" && isMailId(id) ? id : undefined;
}
