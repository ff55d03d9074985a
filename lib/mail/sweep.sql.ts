/** The sweep: what is queued but on nobody's queue, and what a worker left behind. */

/**
 * Takes up to $1 queued mails that are due and not known to be published, and puts off their next turn: by the grace,
 * or by as long as they have waited already. In a long backlog a mail is so published again only a few times, each
 * copy for nothing (the claim is fenced), instead of every time the sweep comes by.
 */
export const takeStranded = `
  UPDATE mails SET due_at = now() + greatest(make_interval(secs => $2), now() - created_at)
  WHERE id IN (
    SELECT id FROM mails WHERE status = 'queued' AND due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
  RETURNING id, attempt`;

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
    lease_until = NULL, due_at = now(), updated_at = now()
  FROM expired WHERE mails.id = expired.id
  RETURNING mails.id, mails.attempt, mails.status`;
