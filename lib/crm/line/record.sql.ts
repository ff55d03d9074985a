/** What events do to the database, many in one statement. */
import type { Statement } from "../../resources/batch.ts";
import type { WrittenMessage } from "../messages/written.ts";

export interface RecordRow {
  id: number;
  attempt: number;
  /** The rule that is to answer, by which keyword, and with what. */
  rule_id: number | null;
  keyword_id: number | null;
  answer: WrittenMessage | null;
  /** How LINE is told first. */
  answer_state: "replying" | "pushing" | null;
}

export interface RecordedRow {
  i: number;
  member_id: number;
  /** The member has no name yet. */
  is_nameless: boolean;
  /** The rule still holds, and the member can be told. Without an answer the event has been handled. */
  is_answered: boolean;
}

/**
 * Finds or makes the members, writes down what they said, and counts the rules that answer. Events come in any order: who
 * is a friend, and who has blocked the account, follows from the latest of each kind. Events of one member may come
 * together. None is returned for whoever has lost the lease: nothing is done then. Rules are locked in order.
 */
export const recordEvents: Statement<RecordRow, RecordedRow> = {
  name: "record_line_events",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, id bigint, attempt int, rule_id bigint, keyword_id bigint, answer jsonb, answer_state text)
    ),
    held AS MATERIALIZED (
      SELECT input.i, rule_id, keyword_id, input.answer AS written, input.answer_state AS intent,
             event.id, type, line_uid, occurred_at AS at, content->'message' AS message
      FROM line_events AS event JOIN input ON event.id = input.id AND event.attempt = input.attempt
      WHERE state = 'handling' AND recorded_at IS NULL ORDER BY event.id FOR UPDATE OF event
    ),
    told AS (
      SELECT line_uid, max(at) FILTER (WHERE type = 'follow') AS followed, max(at) FILTER (WHERE type = 'unfollow') AS left_at,
             max(at) FILTER (WHERE type <> 'unfollow') AS seen
      FROM held GROUP BY line_uid
    ),
    member AS (
      INSERT INTO members AS known (line_uid, source, friended_at, blocked_at, last_interaction_at)
      SELECT line_uid, 'line', followed, CASE WHEN followed >= left_at THEN NULL ELSE left_at END, seen
      FROM told ORDER BY line_uid
      ON CONFLICT (line_uid) DO UPDATE SET
        friended_at = greatest(known.friended_at, excluded.friended_at),
        blocked_at = CASE
          WHEN greatest(known.friended_at, excluded.friended_at) >= greatest(known.blocked_at, excluded.blocked_at) THEN NULL
          ELSE greatest(known.blocked_at, excluded.blocked_at) END,
        last_interaction_at = greatest(known.last_interaction_at, excluded.last_interaction_at)
      RETURNING id, line_uid, blocked_at IS NOT NULL AS is_blocked, line_display_name IS NULL AS is_nameless
    ),
    said AS (
      INSERT INTO messages (member_id, content, direction, message_type, created_at)
      SELECT member.id, message->>'text', 'incoming', CASE message->>'type' WHEN 'image' THEN 'image' ELSE 'text' END, at
      FROM held JOIN member USING (line_uid) WHERE message IS NOT NULL ORDER BY held.id
    ),
    holding AS MATERIALIZED (
      SELECT id FROM auto_responses WHERE is_active AND id IN (SELECT rule_id FROM held) ORDER BY id FOR NO KEY UPDATE
    ),
    answers AS MATERIALIZED (
      SELECT held.i, rule_id, keyword_id, written, intent
      FROM held JOIN member USING (line_uid) JOIN holding ON holding.id = rule_id WHERE NOT is_blocked
    ),
    counted AS (
      UPDATE auto_responses AS rule SET trigger_count = trigger_count + times.n
      FROM (SELECT rule_id, count(*) AS n FROM answers GROUP BY 1) AS times WHERE rule.id = times.rule_id
    ),
    matched AS (
      UPDATE auto_response_keywords AS keyword SET match_count = match_count + times.n
      FROM (SELECT keyword_id, count(*) AS n FROM answers GROUP BY 1) AS times WHERE keyword.id = times.keyword_id
    ),
    recorded AS (
      UPDATE line_events AS event SET
        recorded_at = now(), member_id = member.id, auto_response_id = answers.rule_id, answer = answers.written,
        answer_state = answers.intent,
        state = CASE WHEN answers.i IS NULL THEN 'handled' ELSE state END,
        handled_at = CASE WHEN answers.i IS NULL THEN now() END,
        lease_until = CASE WHEN answers.i IS NOT NULL THEN lease_until END,
        content = CASE WHEN answers.i IS NOT NULL THEN content END
      FROM held JOIN member USING (line_uid) LEFT JOIN answers ON answers.i = held.i
      WHERE event.id = held.id
      RETURNING held.i, member.id::float8 AS member_id, is_nameless, answers.i IS NOT NULL AS is_answered
    )
    SELECT i, member_id, is_nameless, is_answered FROM recorded`,
};
