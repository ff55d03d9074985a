/** The way of an event: stored, claimed, settled, many in one statement. Fenced by its attempt, as deliveries of mail are. */
import { isRow, unindexed } from "../../by-key.ts";
import type { Statement } from "../../resources/batch.ts";
import type { WrittenMessage } from "../messages/written.ts";
import type { EventContent, EventType, ReceivedEvent } from "./events.ts";

/** How long a handler may work on an event. Longer than the time limit of its function. */
export const leaseSeconds = 60;
/** After this long an event that was stored is published again, in case its message never reached the broker. */
export const publishGraceSeconds = 30;

export interface StoreRow {
  traceparent: string;
  events: readonly ReceivedEvent[];
}

/** Stores the events of many requests. Answers the ids of those that are new: LINE sends some of them again. */
export const storeEvents: Statement<StoreRow, { i: number; id: string }> = {
  name: "store_line_events",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT input.i, input.traceparent, event.* FROM jsonb_to_recordset($1::jsonb) AS input (i int, traceparent text, events jsonb)
      CROSS JOIN LATERAL jsonb_to_recordset(input.events) AS event (
        event_id text, type text, line_uid text, occurred_at timestamptz, content jsonb)
    ),
    stored AS (
      INSERT INTO line_events (event_id, type, line_uid, occurred_at, content, traceparent, due_at)
      SELECT DISTINCT ON (event_id) event_id, type, line_uid, occurred_at, content, traceparent,
             now() + interval '${publishGraceSeconds} seconds'
      FROM input ORDER BY event_id, i
      ON CONFLICT (event_id) DO NOTHING
      RETURNING id, event_id
    )
    SELECT min(input.i) AS i, stored.id FROM stored JOIN input USING (event_id) GROUP BY stored.id`,
};

export interface ClaimRow {
  id: number;
  attempt: number;
}

export type AnswerState = "ready" | "replying" | "pushing" | "sent" | "failed" | "unknown";

export interface ClaimedEvent {
  i: number;
  event_id: string;
  type: EventType;
  line_uid: string;
  occurred_at: Date;
  content: EventContent | null;
  is_recorded: boolean;
  member_id: string | null;
  auto_response_id: string | null;
  answer: WrittenMessage | null;
  answer_state: AnswerState | null;
}

/** Takes the lease on each event whose turn this attempt is, and returns the event. */
export const claimEvents: Statement<ClaimRow, ClaimedEvent> = {
  name: "claim_line_events",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (i int, id bigint, attempt int)
      WHERE ${isRow} ORDER BY id
    )
    UPDATE line_events SET
      state = 'handling', attempt = input.attempt, lease_until = now() + interval '${leaseSeconds} seconds'
    FROM input
    WHERE line_events.id = input.id AND ${unindexed("state")} = 'received' AND line_events.attempt = input.attempt - 1
    RETURNING input.i, event_id, type, line_uid, occurred_at, content, recorded_at IS NOT NULL AS is_recorded, member_id,
      auto_response_id, answer, answer_state`,
};

export interface SettleRow {
  id: number;
  attempt: number;
  state: "received" | "handled" | "failed";
  answer_state: AnswerState | null;
  error_code: string | null;
  /** Milliseconds until the next attempt, where there is one. */
  delay_ms: number;
}

/**
 * Ends attempts. What an event brought stays until it has been recorded. What was sent is written among the messages and counts as a success of its rule, in the same statement.
 * A returned row says that the attempt still held its lease.
 */
export const settleEvents: Statement<SettleRow, { i: number }> = {
  name: "settle_line_events",
  sql: `
    WITH input AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS input (
        i int, id bigint, attempt int, state text, answer_state text, error_code text, delay_ms int)
      WHERE ${isRow}
    ),
    held AS MATERIALIZED (
      SELECT input.*, event.member_id, event.auto_response_id, event.answer, event.recorded_at,
             coalesce(input.answer_state, event.answer_state) AS answer_ends
      FROM line_events AS event JOIN input ON event.id = input.id AND event.attempt = input.attempt
      WHERE ${unindexed("event.state")} = 'handling' ORDER BY event.id FOR UPDATE OF event
    ),
    written AS (
      INSERT INTO messages (member_id, content, direction, message_type, sender_type)
      SELECT members.id, answer->>'content', 'outgoing', answer->>'type', 'auto'
      FROM held JOIN members ON members.id = held.member_id WHERE held.answer_state = 'sent'
    ),
    succeeded AS (
      UPDATE auto_responses SET success_count = success_count + answers.n
      FROM (SELECT auto_response_id AS id, count(*) AS n FROM held WHERE answer_state = 'sent' GROUP BY 1) AS answers
      WHERE auto_responses.id = answers.id
    ),
    ended AS (
      UPDATE line_events SET
        state = held.state, answer_state = answer_ends, error_code = held.error_code, lease_until = NULL,
        due_at = now() + make_interval(secs => delay_ms / 1000.0),
        content = CASE WHEN held.state = 'received' OR held.recorded_at IS NULL THEN content END,
        answer = CASE WHEN held.state = 'received' THEN line_events.answer END,
        handled_at = CASE WHEN held.state <> 'received' THEN now() END
      FROM held WHERE line_events.id = held.id
      RETURNING held.i
    )
    SELECT i FROM ended`,
};

export interface Due {
  id: string;
  /** Attempts begun. */
  attempt: number;
  traceparent: string | null;
}

/**
 * Takes up to $1 events whose message did not reach the broker, or whose next attempt is due, and puts off their turn by
 * $2 seconds, or by as long as they have waited already, up to a quarter of an hour.
 */
export const takeDue = `
  WITH due AS (
    SELECT id FROM line_events WHERE state = 'received' AND due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE line_events SET due_at = now() + least(
    greatest(make_interval(secs => $2), now() - received_at), interval '15 minutes')
  FROM due WHERE line_events.id = due.id
  RETURNING line_events.id, attempt, traceparent`;

/** Says that the messages of events (ids in $1) did not reach the broker: the sweep's to publish, as soon as it can. */
export const markStranded = `
  UPDATE line_events SET due_at = now() WHERE id = ANY ($1::bigint[]) AND state = 'received'`;

/** Takes up to $1 events back from handlers that ended; one that has cost $2 attempts is given up. */
export const releaseLeases = `
  WITH expired AS (
    SELECT id, attempt < $2 AS again FROM line_events WHERE state = 'handling' AND lease_until < now()
    ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE line_events SET
    state = CASE WHEN again THEN 'received' ELSE 'failed' END, lease_until = NULL, due_at = now(),
    content = CASE WHEN again OR recorded_at IS NULL THEN content END, answer = CASE WHEN again THEN answer END,
    error_code = CASE WHEN again THEN error_code ELSE 'given_up' END,
    handled_at = CASE WHEN again THEN NULL ELSE now() END
  FROM expired WHERE line_events.id = expired.id
  RETURNING line_events.id, line_events.state`;

/** Removes up to $2 events that ended before $1. */
export const removeHandled = `
  DELETE FROM line_events WHERE id IN (
    SELECT id FROM line_events WHERE state IN ('handled', 'failed') AND handled_at < $1 ORDER BY handled_at LIMIT $2)`;
