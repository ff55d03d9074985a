/** The list of failed mail: what has failed and was not dropped from it. */
import type { Statement } from "../resources/batch.ts";

export interface FailedRow {
  id: string;
  client_id: string;
  /** When it failed. */
  updated_at: Date;
  attempt: number;
  retry_count: number;
  /** Why its last attempt failed. */
  code: string | null;
}

/** Up to $3 failed mails, newest first; all where that is null. $1, a client's id, and $2, a code, narrow it unless null. */
export const selectFailed = `
  SELECT id, client_id, updated_at, attempt, retry_count, last.code
  FROM mails LEFT JOIN LATERAL (
    SELECT code FROM mail_events WHERE mail_id = mails.id AND code IS NOT NULL ORDER BY id DESC LIMIT 1
  ) AS last ON true
  WHERE status = 'failed' AND dropped_at IS NULL
    AND ($1::text IS NULL OR client_id = $1) AND ($2::text IS NULL OR last.code = $2)
  ORDER BY updated_at DESC, id DESC LIMIT $3`;

/** Puts those of the mails $1 that are on the list off it. They stay failed. */
export const markDropped = `
  WITH dropped AS (
    UPDATE mails SET dropped_at = now()
    WHERE id = ANY ($1::uuid[]) AND status = 'failed' AND dropped_at IS NULL
    RETURNING id, attempt
  ),
  events AS (
    INSERT INTO mail_events (mail_id, type, attempt) SELECT id, 'dropped', attempt FROM dropped
  )
  SELECT id FROM dropped`;

/** A row for each mail that is on the list. */
export const selectOnList: Statement<{ id: string }, { i: number }> = {
  name: "select_on_list",
  sql: `
    SELECT input.i FROM jsonb_to_recordset($1::jsonb) AS input (i int, id uuid) JOIN mails USING (id)
    WHERE mails.status = 'failed' AND mails.dropped_at IS NULL`,
};
