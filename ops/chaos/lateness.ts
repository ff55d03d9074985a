/**
 * Mail that lay although nothing was broken. What the broker loses it has not confirmed, so that the publisher knows, and
 * the sweep publishes it again as soon as it can. A loss that nobody knows of is healed too, but only when the grace of a
 * message has passed: nothing is lost then either, and this is where it shows.
 */
import type { Pool } from "pg";
import { isBroker, type Struck } from "./faults.ts";

/** Milliseconds that a fleet in which nothing is broken may leave mail lying: about half of the grace. */
const mostMs = 15_000;

interface First {
  id: string;
  subject: string;
  /** When it was accepted, and when its first attempt began: milliseconds since 1970. */
  accepted: number;
  begun: number;
}

export async function late(db: Pool, struck: readonly Struck[]): Promise<string[]> {
  const { rows } = await db.query<First>(`
    SELECT DISTINCT ON (mails.id) mails.id, subject, extract(epoch FROM created_at)::float8 * 1000 AS accepted,
      extract(epoch FROM at)::float8 * 1000 - duration_ms AS begun
    FROM mails JOIN mail_events ON mail_id = mails.id
    WHERE mail_events.attempt = 1 AND duration_ms IS NOT NULL
    ORDER BY mails.id, mail_events.id`);
  return rows.flatMap((mail) => {
    const quiet = quietMs(mail, struck);
    if (quiet < mostMs) return [];
    return [`mail ${mail.id} (${mail.subject}) lay for ${(quiet / 1000).toFixed(0)} s while nothing was broken`];
  });
}

/** How long it lay after the last fault, in milliseconds; 0 when its publisher, or the database, may have been struck. */
function quietMs({ accepted, begun }: First, struck: readonly Struck[]): number {
  const meanwhile = struck.filter(({ from, to }) => from < begun && to > accepted - 1000);
  if (!meanwhile.every(isBroker)) return 0;
  return begun - Math.max(accepted, ...meanwhile.map(({ to }) => to));
}
