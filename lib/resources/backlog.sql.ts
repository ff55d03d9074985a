/** What waits, counted for `/metrics`: in a moment, however much it is. */

/** All mails by status: from the totals that are kept of each client. */
export const selectMails = `
  SELECT status, sum(mails)::float8 AS count FROM (
    SELECT status, mails FROM mail_totals UNION ALL SELECT status, change FROM mail_total_changes
  ) AS totals GROUP BY status`;

export interface BacklogRow {
  /** `mail`, `schedule` or `line`. */
  of: string;
  state: string;
  count: number;
  /** Seconds that the oldest of them has been so; null without one, and where it does not matter. */
  oldest: number | null;
}

/**
 * How long it has been waiting, and for what. No count goes further than $1: of 10,000 it takes 50 ms, of five times as
 * many 400. By the indexes of what is not settled. Queued mail in the order in which it is due: so what is sent later comes behind
 * all that waits now, and a million of it hides nothing.
 */
export const selectBacklog = `
  WITH queued AS MATERIALIZED (
    SELECT greatest(created_at, send_at) AS since FROM mails WHERE status = 'queued' ORDER BY due_at LIMIT $1
  ),
  processing AS MATERIALIZED (
    SELECT updated_at FROM mails WHERE status = 'processing' LIMIT $1
  ),
  failed AS MATERIALIZED (
    SELECT updated_at FROM mails WHERE status = 'failed' AND dropped_at IS NULL ORDER BY updated_at LIMIT $1
  ),
  due AS MATERIALIZED (
    SELECT nextexecutetime FROM tblschedulemail
    WHERE executionstatus = 'Pending' AND isenabled AND nextexecutetime <= now() ORDER BY nextexecutetime LIMIT $1
  ),
  planned AS MATERIALIZED (
    SELECT FROM tblschedulemail
    WHERE executionstatus = 'Pending' AND isenabled AND nextexecutetime > now() LIMIT $1
  ),
  running AS MATERIALIZED (SELECT FROM tblschedulemail WHERE executionstatus = 'Processing' LIMIT $1),
  gone AS MATERIALIZED (SELECT FROM tblschedulemail WHERE executionstatus = 'Failed' LIMIT $1),
  received AS MATERIALIZED (
    SELECT received_at FROM line_events WHERE state = 'received' ORDER BY due_at LIMIT $1
  ),
  handling AS MATERIALIZED (SELECT received_at FROM line_events WHERE state = 'handling' LIMIT $1)
  SELECT "of", state, count::int, greatest(0, extract(epoch FROM now() - since))::float8 AS oldest FROM (
    SELECT 'mail' AS "of", 'waiting' AS state, count(*), min(since) AS since FROM queued WHERE since <= now()
    UNION ALL SELECT 'mail', 'later', count(*), NULL FROM queued WHERE since > now()
    UNION ALL SELECT 'mail', 'processing', count(*), min(updated_at) FROM processing
    UNION ALL SELECT 'mail', 'failed', count(*), min(updated_at) FROM failed
    UNION ALL SELECT 'schedule', 'due', count(*), min(nextexecutetime) FROM due
    UNION ALL SELECT 'schedule', 'planned', count(*), NULL FROM planned
    UNION ALL SELECT 'schedule', 'processing', count(*), NULL FROM running
    UNION ALL SELECT 'schedule', 'failed', count(*), NULL FROM gone
    UNION ALL SELECT 'line', 'waiting', count(*), min(received_at) FROM received
    UNION ALL SELECT 'line', 'handling', count(*), min(received_at) FROM handling
  ) AS states`;
