-- Up Migration

-- The hotel's calendar day. It has no summer time, and its offset has not changed since 1979.
CREATE FUNCTION hotel_day(at TIMESTAMPTZ) RETURNS DATE LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (at AT TIME ZONE 'Asia/Taipei')::date
$$;

-- What happened on each day of the hotel's: messages that were sent, to whomever; campaigns' first opens and clicks of
-- each recipient; stays that followed. Whoever sends or clicks only adds a row to the changes, so that nobody waits for
-- another's counter; a schedule sums them up. Days and changes, read in one statement, are exact at any moment.
CREATE TABLE crm_days (
  day        DATE PRIMARY KEY,
  sent       BIGINT NOT NULL DEFAULT 0,
  opened     BIGINT NOT NULL DEFAULT 0,
  clicked    BIGINT NOT NULL DEFAULT 0,
  converted  BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE crm_day_changes (
  day        DATE NOT NULL,
  sent       BIGINT NOT NULL DEFAULT 0,
  opened     BIGINT NOT NULL DEFAULT 0,
  clicked    BIGINT NOT NULL DEFAULT 0,
  converted  BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE crm_day_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A campaign's counts are moved once for each statement that settles batches or records taps, however many they are.
CREATE FUNCTION note_campaign_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO crm_day_changes (day, sent, opened, clicked)
  VALUES (hotel_day(now()), NEW.sent_count - OLD.sent_count, NEW.opened_count - OLD.opened_count,
          NEW.clicked_count - OLD.clicked_count);
  RETURN NULL;
END $$;
CREATE TRIGGER note_campaign_counts AFTER UPDATE OF sent_count, opened_count, clicked_count ON campaigns FOR EACH ROW
  WHEN ((OLD.sent_count, OLD.opened_count, OLD.clicked_count) IS DISTINCT FROM (NEW.sent_count, NEW.opened_count, NEW.clicked_count))
  EXECUTE FUNCTION note_campaign_counts();

-- Answers, and what users write. The messages of campaigns are none of this table. One that moves to the partition of the
-- month in which it was sent is an insert there.
CREATE FUNCTION note_message_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO crm_day_changes (day, sent) VALUES (hotel_day(NEW.created_at), 1);
  RETURN NULL;
END $$;
CREATE TRIGGER note_message_sent AFTER INSERT ON messages FOR EACH ROW
  WHEN (NEW.direction = 'outgoing' AND NEW.status = 'sent' AND NEW.sender_type IS DISTINCT FROM 'campaign')
  EXECUTE FUNCTION note_message_sent();
CREATE TRIGGER note_message_sent_later AFTER UPDATE OF status ON messages FOR EACH ROW
  WHEN (NEW.direction = 'outgoing' AND NEW.status = 'sent' AND OLD.status <> 'sent'
        AND NEW.sender_type IS DISTINCT FROM 'campaign')
  EXECUTE FUNCTION note_message_sent();

-- Whose first stay within 30 days after the click on which campaign was when. Members may be deleted: these stay, as what
-- was sent to them does.
CREATE TABLE campaign_conversions (
  campaign_id  BIGINT NOT NULL,
  member_id    BIGINT NOT NULL,
  day          DATE NOT NULL,
  PRIMARY KEY (member_id, campaign_id)
);
CREATE INDEX campaign_recipients_clicked ON campaign_recipients (member_id) WHERE clicked_at IS NOT NULL;

-- Members whose clicks or stays have changed. Added to by whoever changes them, so that it commits with the change: of a
-- click and a stay that come at once, whoever commits last has the other one looked at.
CREATE TABLE conversion_checks (member_id BIGINT NOT NULL);
ALTER TABLE conversion_checks SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE FUNCTION check_conversions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO conversion_checks VALUES (NEW.member_id); END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO conversion_checks VALUES (OLD.member_id); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER check_conversions AFTER INSERT OR DELETE ON consumption_records
  FOR EACH ROW EXECUTE FUNCTION check_conversions();
CREATE TRIGGER check_moved_conversions AFTER UPDATE OF member_id, check_in_date ON consumption_records FOR EACH ROW
  WHEN ((OLD.member_id, OLD.check_in_date) IS DISTINCT FROM (NEW.member_id, NEW.check_in_date))
  EXECUTE FUNCTION check_conversions();

CREATE FUNCTION check_clicked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO conversion_checks VALUES (NEW.member_id);
  RETURN NULL;
END $$;
CREATE TRIGGER check_clicked AFTER UPDATE OF clicked_at ON campaign_recipients FOR EACH ROW
  WHEN (OLD.clicked_at IS DISTINCT FROM NEW.clicked_at) EXECUTE FUNCTION check_clicked();

-- Counts everything anew, for whoever has changed these tables with triggers off. Writers wait for it.
CREATE FUNCTION recount_crm_days() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE campaigns, messages, campaign_recipients, consumption_records IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM conversion_checks;
  DELETE FROM campaign_conversions;
  DELETE FROM crm_day_changes;
  DELETE FROM crm_days;
  INSERT INTO campaign_conversions (campaign_id, member_id, day)
    SELECT campaign_id, member_id, min(check_in_date)
    FROM campaign_recipients AS r JOIN consumption_records AS s USING (member_id)
    WHERE clicked_at IS NOT NULL AND check_in_date BETWEEN hotel_day(clicked_at) AND hotel_day(clicked_at) + 30
    GROUP BY campaign_id, member_id;
  UPDATE campaigns SET conversion_count = coalesce(counted.n, 0)
    FROM campaigns AS c LEFT JOIN (SELECT campaign_id, count(*) AS n FROM campaign_conversions GROUP BY 1) AS counted
      ON counted.campaign_id = c.id
    WHERE campaigns.id = c.id AND campaigns.conversion_count <> coalesce(counted.n, 0);
  INSERT INTO crm_days (day, sent, opened, clicked, converted)
    SELECT day, sum(sent), sum(opened), sum(clicked), sum(converted) FROM (
      SELECT hotel_day(coalesce(sent_at, updated_at)) AS day, sum(sent_count) AS sent, 0 AS opened, 0 AS clicked, 0 AS converted
        FROM campaign_batches WHERE sent_count > 0 GROUP BY 1
      UNION ALL SELECT hotel_day(created_at), count(*), 0, 0, 0 FROM messages
        WHERE direction = 'outgoing' AND status = 'sent' AND sender_type IS DISTINCT FROM 'campaign' GROUP BY 1
      UNION ALL SELECT hotel_day(opened_at), 0, count(*), 0, 0 FROM campaign_recipients
        WHERE opened_at IS NOT NULL GROUP BY 1
      UNION ALL SELECT hotel_day(clicked_at), 0, 0, count(*), 0 FROM campaign_recipients
        WHERE clicked_at IS NOT NULL GROUP BY 1
      UNION ALL SELECT day, 0, 0, 0, count(*) FROM campaign_conversions GROUP BY 1
    ) AS counted GROUP BY day;
END $$;
SELECT recount_crm_days();

-- A report of a period's triggers reads that period: they are added about in the order of their time.
CREATE INDEX tag_trigger_logs_time ON tag_trigger_logs USING brin (triggered_at);

-- Reports that users asked for. The file of one that is completed is kept until `kept_until`.
CREATE TABLE report_exports (
  id            UUID PRIMARY KEY,
  report_type   TEXT NOT NULL CHECK (report_type IN ('campaign_performance', 'overview', 'tag_distribution', 'trends')),
  format        TEXT NOT NULL CHECK (format IN ('excel', 'pdf')),
  start_date    DATE NOT NULL,
  end_date      DATE NOT NULL,
  status        TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
  -- Rows written, of about so many.
  rows_done     BIGINT NOT NULL DEFAULT 0,
  rows_all      BIGINT,
  -- Turns begun: whoever holds an older number changes nothing, and every turn writes a file of its own.
  turn          INT NOT NULL DEFAULT 0,
  lease_until   TIMESTAMPTZ,
  due_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
  size_bytes    BIGINT,
  error_message VARCHAR(200),
  traceparent   TEXT,
  created_by    BIGINT REFERENCES users ON DELETE SET NULL,
  created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
  ended_at      TIMESTAMPTZ,
  kept_until    TIMESTAMPTZ
);
CREATE INDEX report_exports_open ON report_exports (due_at) WHERE status IN ('pending', 'running');
CREATE INDEX report_exports_ended ON report_exports (ended_at) WHERE status IN ('completed', 'failed');
CREATE INDEX report_exports_user ON report_exports (created_by) WHERE created_by IS NOT NULL;
