/**
 * Mail that lay although nothing was broken. What the broker loses it has not confirmed, so that the publisher knows, and
 * the sweep publishes it again as soon as it can. A loss that nobody knows of is healed too, but only when the grace of a
 * message has passed: nothing is lost then either, and this is where it shows.
 */
import type { Pool } from "pg";
import { isBroker, type Struck } from "./faults.ts";

/** Milliseconds that a fleet in which nothing is broken may leave mail lying: less than half of the grace. */
const mostMs = 12_000;
/** Mail that comes later is served at once: fewer than nine of ten wait for so long, in milliseconds. Else all of it lies, for want of a processor. */
const promptMs = 2000;
/** When it is later, and how many it takes to tell. */
const laterMs = 3000;
const enough = 50;

interface First {
  id: string;
  subject: string;
  /** When it was accepted, and when its first attempt began: milliseconds since 1970. */
  accepted: number;
  begun: number;
}

export async function late(db: Pool, struck: readonly Struck[]): Promise<string[]> {
  const { rows } = await db.query<First>(`
    SELECT * FROM (
      SELECT DISTINCT ON (mails.id) mails.id, subject, extract(epoch FROM created_at)::float8 * 1000 AS accepted,
        extract(epoch FROM at)::float8 * 1000 - duration_ms AS begun
      FROM mails JOIN mail_events ON mail_id = mails.id
      WHERE mail_events.attempt = 1 AND duration_ms IS NOT NULL
      ORDER BY mails.id, mail_events.id) AS firsts
    ORDER BY accepted`);
  return rows.flatMap((mail) => {
    const quietSince = sinceWhen(mail, struck);
    const lay = mail.begun - quietSince;
    if (lay < mostMs || !isServedAtOnce(rows, quietSince + laterMs, mail.begun)) return [];
    return [`mail ${mail.id} (${mail.subject}) lay for ${(lay / 1000).toFixed(0)} s while nothing was broken`];
  });
}

/** The end of the last fault, or when it was accepted; never, when its publisher or the database may have been struck. */
function sinceWhen({ accepted, begun }: First, struck: readonly Struck[]): number {
  const meanwhile = struck.filter(({ from, to }) => from < begun && to > accepted - 1000);
  return meanwhile.every(isBroker) ? Math.max(accepted, ...meanwhile.map(({ to }) => to)) : Infinity;
}

/** Whether mail that was accepted in this time was attempted at once. */
function isServedAtOnce(mails: readonly First[], from: number, to: number): boolean {
  const waits = mails
    .filter(({ accepted }) => accepted > from && accepted < to - laterMs)
    .map(({ accepted, begun }) => begun - accepted)
    .toSorted((a, b) => a - b);
  return waits.length >= enough && (waits[Math.floor(waits.length * 0.9)] ?? Infinity) < promptMs;
}
