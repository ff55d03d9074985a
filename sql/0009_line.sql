-- Up Migration

-- What LINE's webhook brought, as it came: the queue only carries ids.
CREATE TABLE line_events (
  id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- LINE's `webhookEventId`: the same when it sends an event again.
  event_id          VARCHAR(64) NOT NULL UNIQUE,
  type              TEXT NOT NULL CHECK (type IN ('follow', 'unfollow', 'message', 'postback')),
  line_uid          VARCHAR(100) NOT NULL,
  occurred_at       TIMESTAMPTZ NOT NULL,
  received_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- What was said, and the token to answer it. Gone once the event has been handled.
  content           JSONB,
  state             TEXT NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'handling', 'handled', 'failed')),
  -- Attempts begun: whoever holds an older number changes nothing.
  attempt           INT NOT NULL DEFAULT 0,
  lease_until       TIMESTAMPTZ,
  due_at            TIMESTAMPTZ NOT NULL,
  -- Set with all that the event does to the database, in one transaction: it does it once.
  recorded_at       TIMESTAMPTZ,
  member_id         BIGINT,
  auto_response_id  BIGINT,
  -- The messages that answer it, for LINE. `replying`: a reply may have arrived. `pushing`: with a retry key, so again is once.
  answer            JSONB,
  answer_state      TEXT CHECK (answer_state IN ('ready', 'replying', 'pushing', 'sent', 'failed', 'unknown')),
  error_code        VARCHAR(60),
  traceparent       TEXT,
  handled_at        TIMESTAMPTZ
);
CREATE INDEX line_events_due ON line_events (due_at) WHERE state = 'received';
CREATE INDEX line_events_leases ON line_events (lease_until) WHERE state = 'handling';
CREATE INDEX line_events_handled ON line_events (handled_at) WHERE state IN ('handled', 'failed');

-- A member's repeated taps of one campaign count once for each tag.
CREATE UNIQUE INDEX tag_trigger_logs_once ON tag_trigger_logs (campaign_id, member_id, tag_id)
  WHERE campaign_id IS NOT NULL AND trigger_source IN ('click', 'interaction');

-- Rules are kept in memory by whoever answers. Their counts are none of it.
CREATE FUNCTION auto_response_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('auto_response', 'rules');
  RETURN NULL;
END $$;
CREATE TRIGGER auto_response_changed
  AFTER INSERT OR DELETE OR UPDATE OF trigger_type, content, template_id, is_active, trigger_time_start, trigger_time_end
  ON auto_responses FOR EACH STATEMENT EXECUTE FUNCTION auto_response_changed();
CREATE TRIGGER auto_response_keywords_changed
  AFTER INSERT OR DELETE OR UPDATE OF folded ON auto_response_keywords
  FOR EACH STATEMENT EXECUTE FUNCTION auto_response_changed();

-- What users write to members, until it has been sent: the messages themselves are in `messages`.
CREATE TABLE message_deliveries (
  message_id       BIGINT PRIMARY KEY,
  -- Finds its partition.
  message_at       TIMESTAMPTZ NOT NULL,
  member_id        BIGINT NOT NULL REFERENCES members ON DELETE CASCADE,
  -- What LINE is given.
  line_messages    JSONB NOT NULL,
  -- LINE takes a message with the same key once, within 24 hours of the first try.
  retry_key        UUID NOT NULL DEFAULT gen_random_uuid(),
  state            TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed')),
  attempt          INT NOT NULL DEFAULT 0,
  due_at           TIMESTAMPTZ NOT NULL,
  lease_until      TIMESTAMPTZ,
  first_tried_at   TIMESTAMPTZ,
  error_code       VARCHAR(60),
  error_message    VARCHAR(500),
  settled_at       TIMESTAMPTZ
);
CREATE INDEX message_deliveries_due ON message_deliveries (due_at) WHERE state = 'queued';
CREATE INDEX message_deliveries_leases ON message_deliveries (lease_until) WHERE state = 'sending';
CREATE INDEX message_deliveries_settled ON message_deliveries (settled_at) WHERE state IN ('sent', 'failed');
CREATE INDEX message_deliveries_member ON message_deliveries (member_id);

-- Makes the partition of a month (by UTC) unless it is there. What lies in the default partition for that month moves
-- over: so nothing that came in before its partition keeps it from being made. Attached, and not made as a partition:
-- that would keep everybody from `messages` while it waits for its turn.
CREATE FUNCTION make_messages_partition(month DATE) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
  start DATE := date_trunc('month', month);
  name TEXT := 'messages_' || to_char(start, 'YYYY_MM');
  since TIMESTAMPTZ := start::timestamp AT TIME ZONE 'UTC';
  until TIMESTAMPTZ := (start + interval '1 month')::timestamp AT TIME ZONE 'UTC';
BEGIN
  PERFORM pg_advisory_xact_lock(7070210718);
  IF to_regclass(name) IS NOT NULL THEN
    RETURN FALSE;
  END IF;
  LOCK TABLE messages_other IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
  EXECUTE format('WITH moved AS (DELETE FROM messages_other WHERE created_at >= %L AND created_at < %L RETURNING *)
                  INSERT INTO %I SELECT * FROM moved', since, until, name);
  EXECUTE format('ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, until);
  RETURN TRUE;
END $$;

SELECT make_messages_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date)
FROM generate_series(0, 2) AS n;
