/**
 * Cancels mails, many in one statement: each that is still queued and has certainly not been sent.
 *
 * Exact, because cancelling and claiming are both one conditional UPDATE of the same row: whichever comes second finds
 * it no longer queued.
 */
import type { Statement } from "../resources/batch.ts";

export interface CancelRow {
  id: string;
  /** Whose mail it must be; null: anyone's. */
  client_id: string | null;
}

export interface Cancelled {
  i: number;
  client_id: string;
  attempt: number;
  retry_count: number;
  created_at: Date;
}

/** A returned row says that the mail was cancelled. */
export const cancelMails: Statement<CancelRow, Cancelled> = {
  name: "cancel_mails",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (i int, id uuid, client_id text)
      ORDER BY id
    ),
    cancelled AS (
      UPDATE mails SET status = 'cancelled', updated_at = now()
      FROM input
      WHERE mails.id = input.id AND mails.client_id = coalesce(input.client_id, mails.client_id)
        AND mails.status = 'queued' AND NOT mails.maybe_sent
      RETURNING input.i, mails.id, mails.client_id, mails.attempt, mails.retry_count, mails.created_at
    ),
    events AS (
      INSERT INTO mail_events (mail_id, type, attempt) SELECT id, 'cancelled', attempt FROM cancelled
    )
    SELECT i, client_id, attempt, retry_count, created_at FROM cancelled`,
};
