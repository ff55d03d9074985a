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

-- History, newest first; the id decides between mails of one moment. What has no index of its own here is most of the
-- mail (sent) and is found on the way.
DROP INDEX mails_by_client;
DROP INDEX mails_by_time;
CREATE INDEX mails_by_client ON mails (client_id, created_at DESC, id DESC);
CREATE INDEX mails_by_time ON mails (created_at DESC, id DESC);

ALTER TABLE attachments
  -- SHA-256 of the content, in hex. Files of one content are one file under several names.
  ADD COLUMN sha256 CHAR(64),
  -- When the file was cleaned away; the row stays with its mail.
  ADD COLUMN removed_at TIMESTAMPTZ;

-- A key stands for one mail, or for the whole reply to a batch.
ALTER TABLE idempotency_keys
  ALTER COLUMN mail_id DROP NOT NULL,
  ADD COLUMN reply JSONB,
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
ALTER TABLE attachments DROP COLUMN sha256, DROP COLUMN removed_at;
DROP INDEX mails_by_client;
DROP INDEX mails_by_time;
CREATE INDEX mails_by_client ON mails (client_id, created_at DESC);
CREATE INDEX mails_by_time ON mails (created_at DESC);
ALTER TABLE mails
  DROP COLUMN send_at, DROP COLUMN batch_id, DROP COLUMN attachment_bytes, DROP COLUMN relay, DROP COLUMN maybe_sent, DROP COLUMN dropped_at;
