/** The sweep: what is queued but on nobody's queue, and what a worker left behind. */

export interface Stranded {
  id: string;
  /** Attempts begun. */
  attempt: number;
  attachment_bytes: string;
  traceparent: string | null;
  /** Milliseconds until it is due; 0 for what is. */
  wait_ms: number;
}

/**
 * Takes up to $1 queued mails that are not known to be published and are due now or within $3 seconds, and puts off
 * their next turn: by the grace of $2 seconds, or by as long as they have waited already, but never past a quarter of
 * an hour. In a long backlog a mail is so published again only a few times, each copy for nothing (the claim is
 * fenced), instead of every time the sweep comes by. It waits since its state last changed, or since its `send_at`.
 */
export const takeStranded = `
  WITH due AS (
    SELECT id, greatest(due_at, now()) AS due_at FROM mails
    WHERE status = 'queued' AND due_at <= now() + make_interval(secs => $3)
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE mails SET due_at = due.due_at + least(
    greatest(make_interval(secs => $2), now() - greatest(updated_at, send_at)), interval '15 minutes')
  FROM due WHERE mails.id = due.id
  RETURNING mails.id, attempt, attachment_bytes, traceparent, extract(epoch FROM due.due_at - now())::float8 * 1000 AS wait_ms`;

/**
 * Says that messages (mail ids in $1, their attempts in $2) did not reach the broker: the sweep's to publish, as soon
 * as it can. Should the message have arrived after all, and its attempt be over, the next one keeps the time it has.
 */
export const markStranded = `
  UPDATE mails SET due_at = now()
  FROM unnest($1::uuid[], $2::int[]) AS message (id, attempt)
  WHERE mails.id = message.id AND mails.status = 'queued' AND mails.attempt = message.attempt - 1`;

/**
 * Ends the leases that have run out: up to $1 mails. The attempt's outcome cannot be known: its worker may have died
 * before the provider accepted, or after. It is written to the timeline as that; then the policy $2 decides: `retry`
 * queues the mail again, `hold` fails it. A mail that has cost $3 attempts in all fails, whatever the policy.
 * $4 set: also leases that still run, for a start that knows that no other worker lives.
 */
export const releaseLeases = `
  WITH expired AS (
    SELECT id, attempt, $2 = 'retry' AND attempt < $3 AS again FROM mails
    WHERE status = 'processing' AND (lease_until < now() OR $4)
    ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
  ),
  events AS (
    INSERT INTO mail_events (mail_id, type, attempt, code, message)
    SELECT id, 'outcome_unknown', attempt, 'lease_expired', 'The worker ended before the outcome was recorded'
    FROM expired
  )
  UPDATE mails SET
    status = CASE WHEN again THEN 'queued' ELSE 'failed' END,
    error_message = CASE WHEN again THEN mails.error_message ELSE 'outcome_unknown' END,
    lease_until = NULL, due_at = now(), updated_at = now(), maybe_sent = TRUE
  FROM expired WHERE mails.id = expired.id
  RETURNING mails.id, mails.attempt, mails.status`;
