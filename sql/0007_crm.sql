-- Up Migration

-- The people who work with the CRM. Not the clients of the mail API: those have tokens of their own.
CREATE TABLE users (
  id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  username       VARCHAR(50) NOT NULL,
  email          VARCHAR(100) NOT NULL,
  -- bcrypt.
  password_hash  VARCHAR(255) NOT NULL,
  full_name      VARCHAR(100),
  role           TEXT NOT NULL CHECK (role IN ('admin', 'marketing', 'customer_service')),
  is_active      BOOLEAN NOT NULL DEFAULT TRUE,
  -- Tokens name the version that they were issued for: a new one ends them all.
  token_version  INT NOT NULL DEFAULT 1,
  last_login_at  TIMESTAMPTZ,
  created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at     TIMESTAMPTZ
);
-- One sign-in field takes either, in any case.
CREATE UNIQUE INDEX users_username ON users (lower(username));
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE FUNCTION crm_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('crm_user', coalesce(NEW.id, OLD.id)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER crm_user_changed
  AFTER UPDATE OF username, full_name, role, is_active, token_version OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION crm_user_changed();

CREATE TABLE members (
  id                   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  line_uid             VARCHAR(100) UNIQUE,
  line_display_name    VARCHAR(100),
  line_picture_url     VARCHAR(500),
  first_name           VARCHAR(50),
  last_name            VARCHAR(50),
  gender               TEXT CHECK (gender IN ('male', 'female', 'other')),
  birthday             DATE,
  email                VARCHAR(100),
  phone                VARCHAR(20),
  -- A phone is found by its digits, however it was written.
  phone_digits         VARCHAR(20) GENERATED ALWAYS AS (regexp_replace(phone, '\D', '', 'g')) STORED,
  -- Sealed; the keyed hash of its bare form tells it from others.
  id_number            TEXT,
  id_number_hash       CHAR(64) UNIQUE,
  -- The PMS's id of this person.
  external_id          VARCHAR(100) UNIQUE,
  source               TEXT NOT NULL CHECK (source IN ('line', 'crm', 'system')),
  accept_marketing     BOOLEAN NOT NULL DEFAULT TRUE,
  notes                TEXT,
  -- When the member followed the official account, and when he blocked it; following again ends a block.
  friended_at          TIMESTAMPTZ,
  blocked_at           TIMESTAMPTZ,
  created_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
  last_interaction_at  TIMESTAMPTZ,
  updated_at           TIMESTAMPTZ
);
CREATE INDEX members_created ON members (created_at DESC, id DESC);
CREATE INDEX members_interaction ON members (last_interaction_at DESC NULLS LAST, id DESC);
CREATE INDEX members_last_name ON members (last_name, id);
CREATE INDEX members_email ON members (email, id);
CREATE INDEX members_source ON members (source, created_at DESC, id DESC);
CREATE INDEX members_phone ON members (phone_digits);

-- How many there are, without counting a million. Those who add members at once take different slots, and do not wait.
CREATE TABLE member_counts (
  source  TEXT NOT NULL,
  slot    INT NOT NULL,
  n       BIGINT NOT NULL,
  PRIMARY KEY (source, slot)
) WITH (fillfactor = 50);
CREATE FUNCTION count_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO member_counts AS kept (source, slot, n)
      SELECT source, pg_backend_pid() % 64, count(*) FROM added GROUP BY source ORDER BY source
      ON CONFLICT (source, slot) DO UPDATE SET n = kept.n + EXCLUDED.n;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO member_counts AS kept (source, slot, n)
      SELECT source, pg_backend_pid() % 64, -count(*) FROM removed GROUP BY source ORDER BY source
      ON CONFLICT (source, slot) DO UPDATE SET n = kept.n + EXCLUDED.n;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_members_added AFTER INSERT ON members
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_members();
CREATE TRIGGER count_members_removed AFTER DELETE ON members
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_members();

-- What members are found by: folded, without spaces, each field after a line feed and the phone's digits after a tab.
-- Beside the members, so that an interaction, which is written to a member every time, does not write this as well.
CREATE TABLE member_search (
  member_id  BIGINT PRIMARY KEY REFERENCES members ON DELETE CASCADE,
  text       TEXT NOT NULL
);
CREATE FUNCTION member_text(last_name text, first_name text, display_name text, email text, phone_digits text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN last_name || first_name <> '' THEN E'\n' || names.surname_first || E'\n' || names.given_first
              WHEN names.surname_first <> '' THEN E'\n' || names.surname_first ELSE '' END
      || coalesce(E'\n' || nullif(names.display, ''), '')
      || coalesce(E'\n' || nullif(lower(email), ''), '')
      || coalesce(E'\t' || nullif(phone_digits, ''), '')
  FROM (SELECT regexp_replace(lower(normalize(coalesce(last_name, '') || coalesce(first_name, ''), NFKC)), '\s', '', 'g'),
               regexp_replace(lower(normalize(coalesce(first_name, '') || coalesce(last_name, ''), NFKC)), '\s', '', 'g'),
               regexp_replace(lower(normalize(display_name, NFKC)), '\s', '', 'g')) AS names (surname_first, given_first, display)
$$;
-- The pieces by which a text is found: each character beyond ASCII, pairs with such a one, and ASCII by threes; of what
-- follows a line feed, the first one and two of ASCII as well. 24 µs for a member; the same in SQL takes four times as long.
CREATE FUNCTION search_grams(given text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  grams text[] := '{}';
  second text := E'\t';
  first text := E'\t';
  next text;
BEGIN
  FOREACH next IN ARRAY string_to_array(given, NULL) LOOP
    IF octet_length(next) > 1 THEN
      grams := grams || next;
      IF first NOT IN (E'\n', E'\t') THEN grams := grams || (first || next); END IF;
    ELSIF next NOT IN (E'\n', E'\t') THEN
      IF first = E'\n' OR octet_length(first) > 1 THEN grams := grams || (first || next);
      ELSIF first <> E'\t' AND second <> E'\t' AND octet_length(second) = 1 THEN grams := grams || (second || first || next);
      END IF;
    END IF;
    second := first;
    first := next;
  END LOOP;
  RETURN grams;
END $$;
CREATE INDEX member_search_grams ON member_search USING gin (search_grams(text)) WITH (gin_pending_list_limit = 512);

CREATE FUNCTION note_member_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO member_search AS kept (member_id, text)
    VALUES (NEW.id, member_text(NEW.last_name, NEW.first_name, NEW.line_display_name, NEW.email, NEW.phone_digits))
    ON CONFLICT (member_id) DO UPDATE SET text = EXCLUDED.text WHERE kept.text <> EXCLUDED.text;
  RETURN NULL;
END $$;
CREATE TRIGGER note_member_text
  AFTER INSERT OR UPDATE OF last_name, first_name, line_display_name, email, phone ON members
  FOR EACH ROW EXECUTE FUNCTION note_member_text();

CREATE TABLE message_templates (
  id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type                TEXT NOT NULL CHECK (type IN ('text', 'text_button', 'image_click', 'image_card')),
  name                VARCHAR(100),
  content             TEXT,
  -- [{label, action_url?, interaction_tag_id?}]
  buttons             JSONB,
  -- What LINE shows where it cannot show the message: its alt text.
  notification_text   VARCHAR(400),
  preview_text        VARCHAR(100),
  interaction_tag_id  BIGINT,
  interaction_result  JSONB,
  created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at          TIMESTAMPTZ
);
CREATE INDEX message_templates_by_type ON message_templates (type, id DESC);

CREATE TABLE campaigns (
  id                 BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  title              VARCHAR(100) NOT NULL,
  template_id        BIGINT NOT NULL REFERENCES message_templates,
  -- {type: all} or {type: tags, include_tags, exclude_tags, tags_mode}
  target_audience    JSONB NOT NULL,
  -- {type: friend_days, days_range: [from, to]}
  trigger_condition  JSONB,
  -- member: a push and links for each; aggregate: 500 at once, and only postbacks tell who it was.
  tracking           TEXT NOT NULL DEFAULT 'member' CHECK (tracking IN ('member', 'aggregate')),
  scheduled_at       TIMESTAMPTZ,
  sent_at            TIMESTAMPTZ,
  finished_at        TIMESTAMPTZ,
  status             TEXT NOT NULL DEFAULT 'draft'
                     CHECK (status IN ('draft', 'scheduled', 'sending', 'sent', 'failed', 'cancelled')),
  -- Why it failed.
  error_message      VARCHAR(500),
  -- The template as it was when the campaign was sent, JSON: later changes do not reach what is under way.
  sent_template      JSONB,
  audience_count     INT NOT NULL DEFAULT 0,
  sent_count         INT NOT NULL DEFAULT 0,
  failed_count       INT NOT NULL DEFAULT 0,
  opened_count       INT NOT NULL DEFAULT 0,
  clicked_count      INT NOT NULL DEFAULT 0,
  conversion_count   INT NOT NULL DEFAULT 0,
  -- LINE's own figures of an aggregate campaign; null is what LINE does not tell.
  line_insight       JSONB,
  created_by         BIGINT REFERENCES users,
  created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at         TIMESTAMPTZ
);
CREATE INDEX campaigns_by_status ON campaigns (status, created_at DESC, id DESC);
CREATE INDEX campaigns_created ON campaigns (created_at DESC, id DESC);
CREATE INDEX campaigns_sent ON campaigns (sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX campaigns_due ON campaigns (scheduled_at) WHERE status = 'scheduled';
CREATE INDEX campaigns_template ON campaigns (template_id);

-- Tags of members and of interactions: one table, so that an id names one tag whatever its type.
CREATE TABLE tags (
  id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name           VARCHAR(50) NOT NULL,
  type           TEXT NOT NULL CHECK (type IN ('member', 'interaction')),
  source         TEXT NOT NULL DEFAULT 'manual' CHECK (source IN ('api', 'manual')),
  campaign_id    BIGINT REFERENCES campaigns ON DELETE SET NULL,
  description    VARCHAR(200),
  -- Kept by triggers.
  member_count   INT NOT NULL DEFAULT 0,
  trigger_count  INT NOT NULL DEFAULT 0,
  created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at     TIMESTAMPTZ,
  UNIQUE (type, name)
);
CREATE INDEX tags_campaign ON tags (campaign_id) WHERE campaign_id IS NOT NULL;

ALTER TABLE message_templates
  ADD FOREIGN KEY (interaction_tag_id) REFERENCES tags ON DELETE SET NULL;
CREATE INDEX message_templates_tag ON message_templates (interaction_tag_id) WHERE interaction_tag_id IS NOT NULL;

CREATE TABLE template_carousel_items (
  id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  template_id         BIGINT NOT NULL REFERENCES message_templates ON DELETE CASCADE,
  image_url           VARCHAR(500) NOT NULL,
  title               VARCHAR(100),
  description         VARCHAR(200),
  price               NUMERIC(10, 2),
  action_url          VARCHAR(500),
  interaction_tag_id  BIGINT REFERENCES tags ON DELETE SET NULL,
  sort_order          INT NOT NULL DEFAULT 0,
  created_at          TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX carousel_items_template ON template_carousel_items (template_id, sort_order, id);
CREATE INDEX carousel_items_tag ON template_carousel_items (interaction_tag_id) WHERE interaction_tag_id IS NOT NULL;

CREATE TABLE member_tag_relations (
  id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  member_id  BIGINT NOT NULL REFERENCES members ON DELETE CASCADE,
  tag_id     BIGINT NOT NULL REFERENCES tags ON DELETE CASCADE,
  tagged_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (member_id, tag_id)
);
CREATE INDEX member_tag_relations_tag ON member_tag_relations (tag_id, member_id);

CREATE TABLE consumption_records (
  id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  member_id       BIGINT NOT NULL REFERENCES members ON DELETE CASCADE,
  order_number    VARCHAR(50) NOT NULL UNIQUE,
  external_id     VARCHAR(100) UNIQUE,
  room_type       VARCHAR(100),
  amount          NUMERIC(10, 2) NOT NULL,
  check_in_date   DATE,
  check_out_date  DATE,
  nights          INT,
  source          TEXT NOT NULL CHECK (source IN ('pms', 'manual')),
  created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
  synced_at       TIMESTAMPTZ
);
CREATE INDEX consumption_records_member ON consumption_records (member_id, check_in_date DESC, id DESC);

CREATE TABLE auto_responses (
  id                  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name                VARCHAR(100) NOT NULL,
  trigger_type        TEXT NOT NULL CHECK (trigger_type IN ('welcome', 'keyword', 'time')),
  content             TEXT NOT NULL,
  template_id         BIGINT REFERENCES message_templates,
  is_active           BOOLEAN NOT NULL DEFAULT TRUE,
  -- Clock times in the hotel's zone; an end before the start is on the next day.
  trigger_time_start  TIME,
  trigger_time_end    TIME,
  trigger_count       INT NOT NULL DEFAULT 0,
  success_count       INT NOT NULL DEFAULT 0,
  success_rate        NUMERIC(5, 2) GENERATED ALWAYS AS
                      (CASE WHEN trigger_count = 0 THEN 0 ELSE least(100, round(100.0 * success_count / trigger_count, 2)) END) STORED,
  created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at          TIMESTAMPTZ
);
CREATE INDEX auto_responses_active ON auto_responses (trigger_type, id) WHERE is_active;
CREATE INDEX auto_responses_template ON auto_responses (template_id) WHERE template_id IS NOT NULL;

CREATE TABLE auto_response_keywords (
  id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  auto_response_id  BIGINT NOT NULL REFERENCES auto_responses ON DELETE CASCADE,
  keyword           VARCHAR(50) NOT NULL,
  -- As it is compared: NFKC, lower case.
  folded            VARCHAR(200) NOT NULL,
  match_count       INT NOT NULL DEFAULT 0,
  created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (auto_response_id, folded)
);

-- All that was said, for years: a partition for each month, made ahead.
CREATE TABLE messages (
  id            BIGINT GENERATED ALWAYS AS IDENTITY,
  member_id     BIGINT NOT NULL REFERENCES members ON DELETE CASCADE,
  campaign_id   BIGINT,
  content       TEXT NOT NULL,
  direction     TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
  message_type  TEXT NOT NULL CHECK (message_type IN ('text', 'image', 'template')),
  sender_type   TEXT CHECK (sender_type IN ('manual', 'auto', 'campaign')),
  sender_id     BIGINT,
  -- What users write may have to wait, or not arrive; all else is here because it was sent.
  status        TEXT NOT NULL DEFAULT 'sent' CHECK (status IN ('scheduled', 'pending', 'sent', 'failed')),
  scheduled_at  TIMESTAMPTZ,
  read_at       TIMESTAMPTZ,
  -- When it was sent, for what was scheduled.
  created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE messages_other PARTITION OF messages DEFAULT;
CREATE INDEX messages_member ON messages (member_id, created_at DESC, id DESC);
CREATE INDEX messages_newest ON messages (created_at DESC, id DESC);
CREATE INDEX messages_unread ON messages (member_id) WHERE direction = 'incoming' AND read_at IS NULL;

-- What members did with what was sent to them.
CREATE TABLE tag_trigger_logs (
  id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  member_id       BIGINT NOT NULL REFERENCES members ON DELETE CASCADE,
  tag_id          BIGINT NOT NULL REFERENCES tags ON DELETE CASCADE,
  campaign_id     BIGINT REFERENCES campaigns ON DELETE SET NULL,
  trigger_source  TEXT NOT NULL CHECK (trigger_source IN ('click', 'interaction', 'manual')),
  triggered_at    TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX tag_trigger_logs_tag ON tag_trigger_logs (tag_id, triggered_at);
CREATE INDEX tag_trigger_logs_member ON tag_trigger_logs (member_id);
CREATE INDEX tag_trigger_logs_campaign ON tag_trigger_logs (campaign_id) WHERE campaign_id IS NOT NULL;

-- Both counts of a tag, right however many write at once: in the transaction that adds or takes away.
CREATE FUNCTION count_tagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- In order of ids, so that two that tag at once do not wait for each other.
  IF TG_OP = 'INSERT' THEN
    PERFORM 1 FROM tags WHERE id IN (SELECT tag_id FROM changed) ORDER BY id FOR NO KEY UPDATE;
    UPDATE tags SET member_count = member_count + n
      FROM (SELECT tag_id, count(*) AS n FROM changed GROUP BY tag_id) AS c WHERE tags.id = c.tag_id;
  ELSE
    PERFORM 1 FROM tags WHERE id IN (SELECT tag_id FROM changed) ORDER BY id FOR NO KEY UPDATE;
    UPDATE tags SET member_count = member_count - n
      FROM (SELECT tag_id, count(*) AS n FROM changed GROUP BY tag_id) AS c WHERE tags.id = c.tag_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER count_tagged AFTER INSERT ON member_tag_relations
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_tagged();
CREATE TRIGGER count_untagged AFTER DELETE ON member_tag_relations
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_tagged();

-- What is deleted with a member counts no more.
CREATE FUNCTION count_triggered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE sign INT := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  PERFORM 1 FROM tags WHERE id IN (SELECT tag_id FROM changed) ORDER BY id FOR NO KEY UPDATE;
  UPDATE tags SET trigger_count = trigger_count + sign * n
    FROM (SELECT tag_id, count(*) AS n FROM changed GROUP BY tag_id) AS c WHERE tags.id = c.tag_id;
  RETURN NULL;
END $$;
CREATE TRIGGER count_triggered AFTER INSERT ON tag_trigger_logs
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_triggered();
CREATE TRIGGER count_untriggered AFTER DELETE ON tag_trigger_logs
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_triggered();
