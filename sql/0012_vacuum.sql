-- Up Migration

-- A mail that is sent leaves dead entries in the indexes of queued and of processing mail, through which the sweeps read every
-- second. By default they would stay until a fifth of the table has changed: of ten million mails, for a million.
ALTER TABLE mails SET (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0.02);

-- Down Migration

ALTER TABLE mails RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor);
