-- Up Migration

CREATE TABLE mails (
  id             UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  from_address   VARCHAR(255) NOT NULL,
  to_addresses   TEXT[] NOT NULL,
  cc_addresses   TEXT[] NOT NULL DEFAULT '{}',
  bcc_addresses  TEXT[] NOT NULL DEFAULT '{}',
  -- Display names by address, where any were given.
  names          JSONB,
  subject        TEXT NOT NULL,
  body           TEXT,
  html           TEXT,
  status         VARCHAR(50) NOT NULL DEFAULT 'queued'
                 CHECK (status IN ('queued', 'processing', 'sent', 'failed', 'cancelled')),
  retry_count    INT NOT NULL DEFAULT 0,
  error_message  TEXT,
  sent_at        TIMESTAMPTZ,
  created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  client_id      VARCHAR(100) NOT NULL,
  client_name    VARCHAR(255),
  source         VARCHAR(20) NOT NULL DEFAULT 'api',
  metadata       JSONB,
  -- Attempts begun. Fences the claim: only the message of attempt n + 1 can claim a mail that has begun n.
  attempt        INT NOT NULL DEFAULT 0,
  -- When the sweep may publish it again, if it is still queued by then.
  due_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- Until when the worker that claimed it may work on it.
  lease_until    TIMESTAMPTZ
);

-- Text of a long mail lies outside the row, so that a change of status does not copy it.
ALTER TABLE mails SET (toast_tuple_target = 512, fillfactor = 85);

CREATE INDEX mails_due ON mails (due_at) WHERE status = 'queued';
CREATE INDEX mails_leased ON mails (lease_until) WHERE status = 'processing';
CREATE INDEX mails_by_client ON mails (client_id, created_at DESC);
CREATE INDEX mails_by_time ON mails (created_at DESC);

CREATE TABLE attachments (
  id            UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  mail_id       UUID NOT NULL REFERENCES mails (id) ON DELETE CASCADE,
  position      INT NOT NULL,
  -- As the sender named it.
  filename      VARCHAR(255) NOT NULL,
  content_type  VARCHAR(255),
  size_bytes    BIGINT NOT NULL,
  -- Relative to the attachment folder.
  storage_path  VARCHAR(500) NOT NULL,
  created_at    TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX attachments_by_mail ON attachments (mail_id, position);

-- The timeline of a mail: one row for each attempt. Without a foreign key: a row is written in the same statement as
-- the change of its mail, and checking it again would cost a fifth of settling.
CREATE TABLE mail_events (
  id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mail_id      UUID NOT NULL,
  at           TIMESTAMPTZ NOT NULL DEFAULT now(),
  type         VARCHAR(50) NOT NULL,
  attempt      INT NOT NULL,
  provider     VARCHAR(50),
  duration_ms  INT,
  code         VARCHAR(100),
  message      TEXT
);
CREATE INDEX mail_events_by_mail ON mail_events (mail_id, id);

CREATE TABLE idempotency_keys (
  client_id     VARCHAR(100) NOT NULL,
  key           VARCHAR(256) NOT NULL,
  -- SHA-256 of the request body.
  body_hash     CHAR(64) NOT NULL,
  mail_id       UUID NOT NULL,
  created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (client_id, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);

CREATE TABLE client_tokens (
  id           UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  client_id    VARCHAR(100) UNIQUE NOT NULL,
  client_name  VARCHAR(255) NOT NULL,
  department   VARCHAR(100),
  permissions  TEXT[] NOT NULL,
  -- SHA-256 of the token; the token itself is nowhere.
  token_hash   VARCHAR(255) NOT NULL,
  created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
  revoked_at   TIMESTAMPTZ,
  is_active    BOOLEAN NOT NULL DEFAULT TRUE
);

-- Every process keeps checked tokens in memory; any change tells them all at once, however it was made.
CREATE FUNCTION client_token_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('client_token', OLD.id::text);
  RETURN NULL;
END $$;
CREATE TRIGGER client_token_changed AFTER UPDATE OR DELETE ON client_tokens
  FOR EACH ROW EXECUTE FUNCTION client_token_changed();

-- The last tick of each schedule function that some process took on.
CREATE TABLE schedule_ticks (
  function  VARCHAR(200) PRIMARY KEY,
  at        TIMESTAMPTZ NOT NULL
);

-- Down Migration

DROP TABLE schedule_ticks;
DROP TABLE client_tokens;
DROP FUNCTION client_token_changed();
DROP TABLE idempotency_keys;
DROP TABLE mail_events;
DROP TABLE attachments;
DROP TABLE mails;
