/** Puts failed mail back into the queue. */

export interface RetriedRow {
  id: string;
  client_id: string;
  attempt: number;
  attachment_bytes: string;
  traceparent: string | null;
  created_at: Date;
}

/**
 * Queues again those of the mails $1 that have failed and still have all their files, due in $2 seconds unless their
 * message comes first. Attempts are counted on: a message of an earlier one, wherever it may still lie, does nothing.
 */
export const requeueFailed = `
  WITH requeued AS (
    UPDATE mails SET
      status = 'queued', retry_count = 0, error_message = NULL, dropped_at = NULL, updated_at = now(),
      due_at = now() + make_interval(secs => $2)
    WHERE id = ANY ($1) AND status = 'failed'
      AND NOT EXISTS (SELECT FROM attachments WHERE mail_id = mails.id AND removed_at IS NOT NULL)
    RETURNING id, client_id, attempt, attachment_bytes, traceparent, created_at
  ),
  events AS (
    INSERT INTO mail_events (mail_id, type, attempt) SELECT id, 'requeued', attempt FROM requeued
  )
  SELECT * FROM requeued`;

/** Which of the mails $1 have failed and lost their files: of those that were not put back, the reason. */
export const selectCleaned = `
  SELECT id FROM mails WHERE id = ANY ($1) AND status = 'failed'
    AND EXISTS (SELECT FROM attachments WHERE mail_id = mails.id AND removed_at IS NOT NULL)`;
