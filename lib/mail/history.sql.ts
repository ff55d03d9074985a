/**
 * A page of history and its total, in one statement and so of one moment.
 *
 * Every page is read from an index, in its order, from a place on: the newest mail, the mail that a cursor names, or
 * the last one of the page before. That last place is found on the index alone: 100,000 mails in 10 ms. Only with
 * `status=sent` are the mails themselves read on the way, in 100 ms.
 *
 * Statuses stand in the text, and the statement is planned for each call: only so does PostgreSQL see that one of the
 * partial indexes fits, and how many mails a client has.
 */
import type { MailStatus } from "./mail.ts";
import { selectTotal } from "./totals.sql.ts";

export interface HistoryRow {
  id: string;
  from_address: string;
  to_addresses: string[];
  subject: string;
  status: MailStatus;
  created_at: Date;
  sent_at: Date | null;
  /** `created_at` in microseconds, which a `Date` does not hold. */
  created_us: string;
}

/** One row for each mail, or a single one without a mail; `total` is in all of them. */
export type HistoryAnswer = { total: number } & (HistoryRow | { [column in keyof HistoryRow]: null });

/** Where a page starts: with the newest, after so many mails, or after the mail of that moment and id. */
export type Start = { after: number } | { createdUs: string; id: string };

export interface Selection {
  /** Of everyone where absent. */
  clientId: string | undefined;
  status: MailStatus | undefined;
}

/** What may stand in the text of a statement. */
const literal: Record<MailStatus, string> = {
  queued: "'queued'",
  processing: "'processing'",
  sent: "'sent'",
  failed: "'failed'",
  cancelled: "'cancelled'",
};

/**
 * The statement that reads up to `rows` mails of a selection.
 *
 * A client is asked for by a range of one value, and sorted by: for `client_id = $1` the planner may walk through
 * everyone's mails by time instead, sure to meet soon some of a client that has many, and then find that this one has
 * sent nothing for a year.
 */
export function selectHistory({ clientId, status }: Selection, start: Start, rows: number) {
  const values: unknown[] = [];
  const $ = (value: unknown) => `$${values.push(value)}`;
  const client = clientId === undefined ? undefined : $(clientId);
  const newestFirst = `ORDER BY ${client ? "client_id DESC, " : ""}created_at DESC, id DESC`;
  const selected = (...conditions: (string | undefined)[]) =>
    [status && `status = ${literal[status]}`, ...conditions].filter(Boolean).join(" AND ") || "TRUE";
  const down = client && `client_id >= ${client}`;
  const up = client && `client_id <= ${client}`;
  const page = (from: string | undefined) => `
    SELECT id, from_address, to_addresses, subject, status, created_at, sent_at,
           (extract(epoch FROM created_at) * 1000000)::bigint AS created_us
    FROM mails WHERE ${selected(down, from)} ${newestFirst} LIMIT ${$(rows)}`;
  /** Names every column of the index up to the place that no equality settles: only so does the scan begin there. */
  const after = (createdAt: string, id: string) => {
    const open =
      client && status && status !== "sent" ? ["client_id, status,", `${client}, ${literal[status]},`] : undefined;
    const [columns, place] = open ?? (client ? ["client_id,", `${client},`] : ["", ""]);
    return `(${columns} created_at, id) < (${place} ${createdAt}, ${id})`;
  };

  let from: string;
  if ("id" in start) {
    from = page(after(`'epoch'::timestamptz + ${$(start.createdUs)}::bigint * '1 us'::interval`, $(start.id)));
  } else if (start.after === 0) from = page(up);
  else {
    // Past the end nobody searches.
    const place = selected(down, up, `total.mails > ${$(start.after)}`);
    from = `
    SELECT page.* FROM (
      SELECT created_at, id FROM mails WHERE ${place} ${newestFirst} OFFSET ${$(start.after - 1)} LIMIT 1
    ) AS place CROSS JOIN LATERAL (${page(after("place.created_at", "place.id"))}) AS page`;
  }
  const text = `
    SELECT total.mails::float8 AS total, page.*
    FROM (${selectTotal(selected(client && `client_id = ${client}`))}) AS total
    LEFT JOIN LATERAL (${from}) AS page ON TRUE
    ORDER BY page.created_at DESC, page.id DESC`;
  return { text, values };
}
