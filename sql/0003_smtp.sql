-- Up Migration

ALTER TABLE mails
  -- Where answers are to go, when not to the sender.
  ADD COLUMN reply_to TEXT[] NOT NULL DEFAULT '{}',
  -- Further headers that travel with it, by name, each checked before: threads, and that it was written by a machine.
  ADD COLUMN headers JSONB;

ALTER TABLE attachments
  -- Of a picture that the html shows: its name there, after "cid:".
  ADD COLUMN content_id VARCHAR(255);

-- Down Migration

ALTER TABLE attachments DROP COLUMN content_id;
ALTER TABLE mails DROP COLUMN reply_to, DROP COLUMN headers;
