-- Up Migration

ALTER TABLE mails
  -- Not before this time, where the client asked for one.
  ADD COLUMN send_at TIMESTAMPTZ,
  ADD COLUMN batch_id UUID,
  -- Bytes of its attachments together: what it weighs for the worker that delivers it.
  ADD COLUMN attachment_bytes BIGINT NOT NULL DEFAULT 0,
  -- A relay of its own, for mail that does not go by the house's providers; its password is sealed.
  ADD COLUMN relay JSONB,
  -- An attempt ended without an answer: the mail may have been sent, so nobody can promise any more that it was not.
  ADD COLUMN maybe_sent BOOLEAN NOT NULL DEFAULT FALSE,
  -- When an operator put it out of the list of failed mail.
  ADD COLUMN dropped_at TIMESTAMPTZ;

-- History, newest first; the id decides between mails of one moment. Most mail is sent and found on the way; any other
-- status has an index of its own, small because mail leaves it again, so that a client's three failed mails are found
-- among its millions. Not partitioned by month: mail is claimed, settled and looked up by an id that knows no time, so
-- that each of these would search every partition.
DROP INDEX mails_by_client;
DROP INDEX mails_by_time;
-- Ascending, and read backwards: new entries then come at the end, where pages stay full.
CREATE INDEX mails_by_client ON mails (client_id, created_at, id);
CREATE INDEX mails_by_time ON mails (created_at, id);
CREATE INDEX mails_unsent_by_client ON mails (client_id, status, created_at, id) WHERE status <> 'sent';
CREATE INDEX mails_unsent_by_time ON mails (status, created_at, id) WHERE status <> 'sent';

-- Those whose relay has a password: what changing the key seals anew.
CREATE INDEX mails_with_password ON mails (id) WHERE (relay -> 'auth' ->> 'password') IS NOT NULL;

-- The list that an operator works off, newest first.
CREATE INDEX mails_failed ON mails (updated_at DESC, id DESC) WHERE status = 'failed' AND dropped_at IS NULL;

-- Each mail leaves two dead rows behind. With ten million mails the default of a fifth would leave a million of them in
-- the way of whoever looks for what is queued.
ALTER TABLE mails SET (autovacuum_vacuum_scale_factor = 0.05);

-- How many mails each client has in each status: counting ten million takes seconds, and every page of history tells
-- the total. Whoever changes mails only adds rows to the changes, so that nobody waits for another's counter; a schedule
-- sums them up. Totals and changes, read in one statement, are exact at any moment.
CREATE TABLE mail_totals (
  client_id  VARCHAR(100) NOT NULL,
  status     VARCHAR(50) NOT NULL,
  mails      BIGINT NOT NULL,
  PRIMARY KEY (client_id, status)
);
CREATE TABLE mail_total_changes (
  client_id  VARCHAR(100) NOT NULL,
  status     VARCHAR(50) NOT NULL,
  change     BIGINT NOT NULL
);
ALTER TABLE mail_total_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- By triggers, so that it holds for every writer, an operator at the prompt among them. Once for each statement: some
-- 30 µs, a quarter of one that claims a single mail, a twentieth of one for twenty mails (bench --only totals).
CREATE FUNCTION count_added_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mail_total_changes (client_id, status, change)
  SELECT client_id, status, count(*) FROM added GROUP BY client_id, status;
  RETURN NULL;
END $$;
CREATE FUNCTION count_removed_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mail_total_changes (client_id, status, change)
  SELECT client_id, status, -count(*) FROM removed GROUP BY client_id, status;
  RETURN NULL;
END $$;
-- "UPDATE OF status" cannot have transition tables; an update that leaves status and client alone adds no row.
CREATE FUNCTION count_changed_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mail_total_changes (client_id, status, change)
  SELECT client_id, status, sum(change) FROM (
    SELECT client_id, status, 1 AS change FROM added UNION ALL SELECT client_id, status, -1 FROM removed
  ) AS mails GROUP BY client_id, status HAVING sum(change) <> 0;
  RETURN NULL;
END $$;
CREATE FUNCTION count_no_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM mail_total_changes;
  DELETE FROM mail_totals;
  RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON mails
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_mails();
CREATE TRIGGER count_removed AFTER DELETE ON mails
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed_mails();
CREATE TRIGGER count_changed AFTER UPDATE ON mails
  REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_changed_mails();
CREATE TRIGGER count_none AFTER TRUNCATE ON mails FOR EACH STATEMENT EXECUTE FUNCTION count_no_mails();

-- Counts everything anew: for now, and for whoever has changed mails with triggers off. Writers wait for it.
CREATE FUNCTION recount_mails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE mails IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM mail_total_changes;
  DELETE FROM mail_totals;
  INSERT INTO mail_totals (client_id, status, mails) SELECT client_id, status, count(*) FROM mails GROUP BY client_id, status;
END $$;
SELECT recount_mails();

ALTER TABLE attachments
  -- SHA-256 of the content, in hex. Files of one content are one file under several names.
  ADD COLUMN sha256 CHAR(64),
  -- When the file was cleaned away; the row stays with its mail.
  ADD COLUMN removed_at TIMESTAMPTZ;
CREATE INDEX attachments_kept ON attachments (created_at) WHERE removed_at IS NULL;

-- A key stands for one mail, or for the whole reply to a batch.
ALTER TABLE idempotency_keys
  ALTER COLUMN mail_id DROP NOT NULL,
  -- JSON as it was sent, so that it is repeated byte for byte.
  ADD COLUMN reply JSON,
  ADD CHECK (num_nonnulls(mail_id, reply) = 1);

ALTER TABLE client_tokens
  -- {requests_per_minute, mails_per_hour}: the client's own limits in place of the system's; 0 is none.
  ADD COLUMN quota JSONB;

CREATE TABLE email_sender_configs (
  id                UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Lower case.
  sender_email      VARCHAR(255) UNIQUE NOT NULL,
  ms_tenant_id      VARCHAR(255) NOT NULL,
  ms_client_id      VARCHAR(255) NOT NULL,
  -- Sealed with AES-256-GCM.
  ms_client_secret  TEXT NOT NULL,
  -- Who may send from it; null: every client.
  client_ids        TEXT[],
  is_active         BOOLEAN NOT NULL DEFAULT TRUE,
  created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at        TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Told to every process, also that there is a new one: a sender that was not there is remembered as well.
CREATE FUNCTION sender_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sender_config', coalesce(NEW.sender_email, OLD.sender_email));
  RETURN NULL;
END $$;
CREATE TRIGGER sender_config_changed AFTER INSERT OR UPDATE OR DELETE ON email_sender_configs
  FOR EACH ROW EXECUTE FUNCTION sender_config_changed();

-- One row for each authenticated request. Without a foreign key: a log outlives what it tells of.
CREATE TABLE api_logs (
  id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  client_id         VARCHAR(100) NOT NULL,
  client_name       VARCHAR(255),
  request_ip        INET,
  -- The route, not the address that was asked for: ids stay out of it.
  endpoint          VARCHAR(255) NOT NULL,
  method            VARCHAR(10) NOT NULL,
  mail_id           UUID,
  status_code       INT,
  response_time_ms  INT,
  created_at        TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX api_logs_by_client ON api_logs (client_id, created_at DESC);
CREATE INDEX api_logs_by_time ON api_logs (created_at);

-- Down Migration

DROP TABLE api_logs;
DROP TABLE email_sender_configs;
DROP FUNCTION sender_config_changed();
ALTER TABLE client_tokens DROP COLUMN quota;
DELETE FROM idempotency_keys WHERE mail_id IS NULL;
ALTER TABLE idempotency_keys DROP COLUMN reply, ALTER COLUMN mail_id SET NOT NULL;
DROP INDEX attachments_kept;
ALTER TABLE attachments DROP COLUMN sha256, DROP COLUMN removed_at;
DROP TRIGGER count_added ON mails;
DROP TRIGGER count_removed ON mails;
DROP TRIGGER count_changed ON mails;
DROP TRIGGER count_none ON mails;
DROP FUNCTION count_added_mails, count_removed_mails, count_changed_mails, count_no_mails, recount_mails;
DROP TABLE mail_totals, mail_total_changes;
ALTER TABLE mails RESET (autovacuum_vacuum_scale_factor);
DROP INDEX mails_with_password;
DROP INDEX mails_unsent_by_client;
DROP INDEX mails_unsent_by_time;
DROP INDEX mails_by_client;
DROP INDEX mails_by_time;
CREATE INDEX mails_by_client ON mails (client_id, created_at DESC);
CREATE INDEX mails_by_time ON mails (created_at DESC);
ALTER TABLE mails
  DROP COLUMN send_at, DROP COLUMN batch_id, DROP COLUMN attachment_bytes, DROP COLUMN relay, DROP COLUMN maybe_sent, DROP COLUMN dropped_at;
