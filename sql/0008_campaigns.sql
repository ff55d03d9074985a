-- Up Migration

ALTER TABLE campaigns
  -- Held on its way: it stays "sending".
  ADD COLUMN paused_at TIMESTAMPTZ,
  -- Batches that have not ended: whoever ends the last one ends the campaign.
  ADD COLUMN open_batches INT NOT NULL DEFAULT 0;

-- The ledger of a campaign's delivery: up to 500 recipients each, members with ids from `first_member` to `last_member`.
-- What is to be sent, and under which key, is committed before LINE is called, so that a crash never sends twice.
CREATE TABLE campaign_batches (
  campaign_id     BIGINT NOT NULL REFERENCES campaigns ON DELETE CASCADE,
  batch           INT NOT NULL,
  first_member    BIGINT NOT NULL,
  last_member     BIGINT NOT NULL,
  size            INT NOT NULL,
  -- unknown: LINE may have taken it, and can no longer be asked without sending it twice.
  state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unknown')),
  -- X-Line-Retry-Key of a multicast; those of pushes are made of it and the member's id. Another list, another key.
  retry_key       UUID NOT NULL DEFAULT gen_random_uuid(),
  -- Claims begun: only who holds the last one may settle.
  attempt         INT NOT NULL DEFAULT 0,
  -- Requests that failed and were worth repeating.
  tries           SMALLINT NOT NULL DEFAULT 0,
  -- Workers that ended with it in hand.
  losses          SMALLINT NOT NULL DEFAULT 0,
  -- LINE refused the list and did not say because of whom: each gets a push.
  singly          BOOLEAN NOT NULL DEFAULT FALSE,
  -- Of its recipients, what the campaign's counts have of it.
  sent_count      INT NOT NULL DEFAULT 0,
  failed_count    INT NOT NULL DEFAULT 0,
  -- Of what may have been accepted without our knowing: LINE remembers a key for 24 hours.
  first_tried_at  TIMESTAMPTZ,
  lease_until     TIMESTAMPTZ,
  -- When the sweep publishes it, should nobody have done so.
  due_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  sent_at         TIMESTAMPTZ,
  error_message   VARCHAR(500),
  updated_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (campaign_id, batch)
) WITH (fillfactor = 70);
CREATE INDEX campaign_batches_due ON campaign_batches (due_at) WHERE state = 'pending';
CREATE INDEX campaign_batches_leased ON campaign_batches (lease_until) WHERE state = 'sending';

-- Who a campaign is for, frozen when it is sent. One that was sent to follows from its batch's state, so that a million
-- of them need not be written again; a row of its own tells only what differs from its batch. Members may be deleted:
-- the row stays, and counts.
CREATE TABLE campaign_recipients (
  id             BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1000),
  campaign_id    BIGINT NOT NULL,
  member_id      BIGINT NOT NULL,
  batch          INT NOT NULL,
  -- Requests for this member alone that failed and were worth repeating.
  tries          SMALLINT NOT NULL DEFAULT 0,
  -- pending: as its batch says. Read it from campaign_deliveries.
  status         TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'opened', 'clicked', 'failed')),
  sent_at        TIMESTAMPTZ,
  opened_at      TIMESTAMPTZ,
  clicked_at     TIMESTAMPTZ,
  error_message  VARCHAR(500),
  -- The order in which they are frozen and read.
  PRIMARY KEY (campaign_id, member_id)
) WITH (fillfactor = 90);
CREATE INDEX campaign_recipients_told ON campaign_recipients (campaign_id, member_id) WHERE status <> 'pending';

CREATE FUNCTION recipient_status(own TEXT, batch_state TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN own <> 'pending' THEN own WHEN batch_state = 'sent' THEN 'sent'
              WHEN batch_state IN ('failed', 'unknown') THEN 'failed' ELSE 'pending' END
$$;

-- Recipients as they are told of: one campaign's are one range of each primary key.
CREATE VIEW campaign_deliveries AS
  SELECT r.id, r.campaign_id, r.member_id, r.batch,
         recipient_status(r.status, b.state) AS status,
         coalesce(r.sent_at, CASE WHEN recipient_status(r.status, b.state) IN ('sent', 'opened', 'clicked') THEN b.sent_at END) AS sent_at,
         r.opened_at, r.clicked_at,
         coalesce(r.error_message, CASE WHEN recipient_status(r.status, b.state) = 'failed' THEN b.error_message END) AS error_message
  FROM campaign_recipients AS r JOIN campaign_batches AS b USING (campaign_id, batch);

-- A campaign's messages as those of one member, to be read together with `messages`: a row for each would be a million.
-- Ask by member_id: it is looked up in each campaign. Their ids are negative, so that they are none of `messages`.
CREATE VIEW campaign_messages AS
  SELECT -d.id AS id, d.member_id, c.id AS campaign_id,
         coalesce(nullif(c.sent_template->>'content', ''), c.sent_template->>'notification_text',
                  c.sent_template->>'preview_text', c.sent_template->>'name', c.title) AS content,
         'outgoing' AS direction,
         CASE c.sent_template->>'type' WHEN 'text' THEN 'text' ELSE 'template' END AS message_type,
         'campaign' AS sender_type, c.created_by AS sender_id, NULL::timestamptz AS read_at,
         coalesce(d.sent_at, c.sent_at) AS created_at
  FROM campaigns AS c JOIN campaign_deliveries AS d ON d.campaign_id = c.id
  WHERE c.sent_at IS NOT NULL AND d.status IN ('sent', 'opened', 'clicked');

-- Whom a campaign may reach. `id` in order is how an audience is counted and frozen.
CREATE INDEX members_reachable ON members (id) INCLUDE (friended_at)
  WHERE line_uid IS NOT NULL AND accept_marketing AND blocked_at IS NULL;
