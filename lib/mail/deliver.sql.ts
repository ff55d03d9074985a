/**
 * Claims and settles deliveries, many in one statement.
 *
 * Claim and settle are fenced by the attempt number: whoever holds an older one changes nothing. A message that is
 * delivered twice, published twice or late therefore does nothing.
 */
import { isRow, unindexed } from "../by-key.ts";
import type { Statement } from "../resources/batch.ts";
import { leaseSeconds, publishGraceSeconds, type MailSource, type MailStatus } from "./mail.ts";

export interface ClaimRow {
  id: string;
  attempt: number;
}

export interface Claimed {
  i: number;
  from_address: string;
  to_addresses: string[];
  cc_addresses: string[];
  bcc_addresses: string[];
  reply_to: string[];
  headers: Record<string, string> | null;
  names: Record<string, string> | null;
  subject: string;
  body: string | null;
  html: string | null;
  created_at: Date;
  client_id: string;
  source: MailSource;
  retry_count: number;
  relay: unknown;
  attachments: ClaimedAttachment[] | null;
}

export interface ClaimedAttachment {
  filename: string;
  content_type: string | null;
  content_id: string | null;
  size_bytes: number;
  storage_path: string;
}

/** Takes the lease on each mail whose turn this attempt is, and returns the mail. None: not ours to send. */
export const claimMails: Statement<ClaimRow, Claimed> = {
  name: "claim_mails",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (i int, id uuid, attempt int)
      WHERE ${isRow} ORDER BY id
    )
    UPDATE mails SET
      status = 'processing', attempt = input.attempt, updated_at = now(),
      lease_until = now() + interval '${leaseSeconds} seconds'
    FROM input
    WHERE mails.id = input.id AND ${unindexed("mails.status")} = 'queued' AND mails.attempt = input.attempt - 1
    RETURNING input.i, from_address, to_addresses, cc_addresses, bcc_addresses, reply_to, headers, names, subject, body,
      html, created_at, client_id, source, retry_count, relay,
      (SELECT jsonb_agg(jsonb_build_object('filename', filename, 'content_type', content_type, 'content_id', content_id,
                                           'size_bytes', size_bytes, 'storage_path', storage_path) ORDER BY position)
       FROM attachments WHERE mail_id = mails.id) AS attachments`,
};

/** The end of an attempt: what became of the mail, and the line for its timeline. */
export interface SettleRow {
  id: string;
  attempt: number;
  status: Exclude<MailStatus, "processing" | "cancelled">;
  retry_count: number;
  error_message: string | null;
  /** Milliseconds until the next attempt is due, where there is one. */
  delay_ms: number;
  /** Whether the message of the next attempt is being published; if not, the sweep does it when it is due. */
  published: boolean;
  event: string;
  provider: string;
  duration_ms: number;
  code: string;
}

/** Ends attempts. A returned row says that the attempt still held the lease; the timeline is written in any case. */
export const settleMails: Statement<SettleRow, { i: number }> = {
  name: "settle_mails",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, id uuid, attempt int, status text, retry_count int, error_message text, delay_ms int, published boolean,
        event text, provider text, duration_ms int, code text)
      WHERE ${isRow} ORDER BY id
    ),
    events AS (
      INSERT INTO mail_events (mail_id, type, attempt, provider, duration_ms, code, message)
      SELECT id, event, attempt, provider, duration_ms, code, error_message FROM input
    )
    UPDATE mails SET
      status = input.status, retry_count = input.retry_count, error_message = input.error_message, updated_at = now(),
      lease_until = NULL,
      sent_at = CASE WHEN input.status = 'sent' THEN now() END,
      maybe_sent = maybe_sent OR input.event = 'outcome_unknown',
      due_at = now() + make_interval(secs => input.delay_ms / 1000.0
        + CASE WHEN input.published THEN ${publishGraceSeconds} ELSE 0 END)
    FROM input
    WHERE mails.id = input.id AND ${unindexed("mails.status")} = 'processing' AND mails.attempt = input.attempt
    RETURNING input.i`,
};
