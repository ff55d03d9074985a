-- Up Migration

ALTER TABLE mails
  -- The trace that it belongs to (W3C `traceparent`): so that a message that is made later, by the sweep or an operator,
  -- goes on where the request was.
  ADD COLUMN traceparent TEXT;

-- Down Migration

ALTER TABLE mails DROP COLUMN traceparent;
