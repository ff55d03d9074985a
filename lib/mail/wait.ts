/** Waiting for what becomes of a mail: `Prefer: wait=N` (RFC 7240). */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../runtime/context.ts";
import { isUnavailable } from "../resources/database.ts";
import type { MailStatus } from "./mail.ts";
import { selectStatuses } from "./wait.sql.ts";

/** The longest that a client may wait, in seconds. */
export const longestWait = 30;

/** One preference: a name, and a value as a token or in quotes. Parameters after a semicolon are not looked at. */
const preference = /^\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?\s*(?:;|$)/;

/**
 * The seconds that a `Prefer` header asks to wait, at most `longestWait`. Undefined when it does not, or not properly: a
 * preference that is not understood is ignored (RFC 7240, section 2), and of several the first one counts.
 */
export function preferredWait(header: string | undefined): number | undefined {
  for (const part of splitUnquoted(header ?? "")) {
    const [, name, value = ""] = preference.exec(part) ?? [];
    if (name?.toLowerCase() !== "wait") continue;
    const seconds = /^"?(\d+)"?$/.exec(value)?.[1];
    return seconds === undefined ? undefined : Math.min(Number(seconds), longestWait);
  }
  return undefined;
}

/** Splits a list at its commas, but not within quotes. */
function splitUnquoted(list: string): string[] {
  return list.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
}

const shortestPauseMs = 50;
const longestPauseMs = 250;

/**
 * The status of a mail once it is sent, failed or cancelled; or what it is when `seconds` have passed, the client has
 * gone, or the process stops. Never throws: the mail is accepted, and with PostgreSQL away it is `queued` as far as is
 * known.
 */
export async function waitForEnd(ctx: Context, id: string, seconds: number): Promise<MailStatus> {
  const until = performance.now() + seconds * 1000;
  let status: MailStatus = "queued";
  for (let rest = shortestPauseMs; ; rest = Math.min(rest * 1.25, longestPauseMs)) {
    status = (await look(ctx, id)) ?? status;
    const left = until - performance.now();
    if (status === "sent" || status === "failed" || status === "cancelled" || left <= 0) return status;
    // Aborted is as good as over: whoever asked is no longer there.
    await pause(Math.min(rest, left), undefined, { signal: ctx.signal }).catch(() => {});
    if (ctx.signal.aborted || ctx.isStopping) return status;
  }
}

async function look(ctx: Context, id: string): Promise<MailStatus | undefined> {
  try {
    const [row] = await ctx.db.batch(selectStatuses, { id });
    return row?.status;
  } catch (error) {
    if (!isUnavailable(error)) ctx.log.error({ err: error, mail_id: id }, "the mail's status could not be read");
    return undefined;
  }
}
