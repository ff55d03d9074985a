/** Messages on their way to LINE. Claims and ends are fenced by the attempt: whoever holds an older one changes nothing. */

/** Longer than one attempt may take. */
const lease = "interval '60 seconds'";

export interface Delivery {
  id: number;
  attempt: number;
  retry_key: string;
  line_messages: object[];
  line_uid: string | null;
  is_blocked: boolean;
  /** LINE forgets keys after 24 hours: nobody knows any more whether it came. */
  is_stale: boolean;
}

/**
 * Stores a message of the user $4 for the member $1 (content $2, type $3, LINE's messages $6): to be sent at $5, or by
 * whoever stores it, who holds its first attempt.
 */
export const insertMessage = `
  WITH message AS (
    INSERT INTO messages (member_id, content, direction, message_type, sender_type, sender_id, status, scheduled_at)
    VALUES ($1, $2, 'outgoing', $3, 'manual', $4, CASE WHEN $5::timestamptz IS NULL THEN 'pending' ELSE 'scheduled' END, $5)
    RETURNING id, created_at, member_id
  ),
  delivery AS (
    INSERT INTO message_deliveries (message_id, message_at, member_id, line_messages, state, attempt, due_at, lease_until,
                                    first_tried_at)
    SELECT id, created_at, member_id, $6::jsonb, CASE WHEN $5::timestamptz IS NULL THEN 'sending' ELSE 'queued' END,
           CASE WHEN $5::timestamptz IS NULL THEN 1 ELSE 0 END, coalesce($5::timestamptz, now()),
           CASE WHEN $5::timestamptz IS NULL THEN now() + ${lease} END, CASE WHEN $5::timestamptz IS NULL THEN now() END
    FROM message RETURNING attempt, retry_key, line_messages
  )
  SELECT message.id::float8 AS id, message.created_at, attempt, retry_key, line_messages, line_uid, FALSE AS is_blocked,
         FALSE AS is_stale
  FROM message CROSS JOIN delivery JOIN members ON members.id = member_id`;

/** Takes up to $1 messages that are due, or whose sender has ended. */
export const claimDue = `
  WITH due AS (
    SELECT message_id FROM message_deliveries
    WHERE (state = 'queued' AND due_at <= now()) OR (state = 'sending' AND lease_until < now())
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE message_deliveries AS delivery SET
    state = 'sending', attempt = attempt + 1, lease_until = now() + ${lease},
    first_tried_at = coalesce(first_tried_at, now())
  FROM due, members
  WHERE delivery.message_id = due.message_id AND members.id = delivery.member_id
  RETURNING delivery.message_id::float8 AS id, attempt, retry_key, line_messages, line_uid,
    blocked_at IS NOT NULL AS is_blocked, first_tried_at < now() - interval '23 hours' AS is_stale`;

/**
 * Ends attempt $2 at message $1 with the state $3 (queued: again in $6 milliseconds), code $4 and reason $5. A message
 * that waited for its time is shown at the time that it was sent. Answers a row unless the attempt had lost its lease.
 * The member is held first, as by whoever deletes him: neither waits for the other with half of the rows in his hands.
 */
export const endAttempt = `
  WITH member AS MATERIALIZED (
    SELECT id FROM members WHERE id = (SELECT member_id FROM message_deliveries WHERE message_id = $1) FOR KEY SHARE
  ),
  held AS (
    SELECT message_id, message_at FROM message_deliveries
    WHERE message_id = $1 AND attempt = $2 AND state = 'sending' AND member_id = (SELECT id FROM member) FOR UPDATE
  ),
  message AS (
    UPDATE messages SET
      status = CASE $3 WHEN 'queued' THEN 'pending' ELSE $3 END,
      created_at = CASE WHEN $3 = 'sent' AND scheduled_at IS NOT NULL THEN now() ELSE created_at END
    FROM held WHERE messages.id = held.message_id AND messages.created_at = held.message_at
    RETURNING messages.id, messages.created_at
  )
  UPDATE message_deliveries AS delivery SET
    state = $3, message_at = message.created_at, lease_until = NULL, error_code = $4, error_message = $5,
    due_at = now() + make_interval(secs => $6 / 1000.0), settled_at = CASE WHEN $3 <> 'queued' THEN now() END,
    line_messages = CASE WHEN $3 = 'queued' THEN line_messages ELSE '[]' END
  FROM message WHERE delivery.message_id = message.id
  RETURNING message_id`;

/** Removes up to $2 deliveries that ended before $1: the messages themselves stay. */
export const removeSettled = `
  DELETE FROM message_deliveries WHERE message_id IN (
    SELECT message_id FROM message_deliveries WHERE state IN ('sent', 'failed') AND settled_at < $1
    ORDER BY settled_at LIMIT $2)`;
