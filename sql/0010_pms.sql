-- Up Migration

-- Synchronisations with the hotel's PMS, one at a time, each of one kind of record.
CREATE TABLE pms_sync_tasks (
  id             UUID PRIMARY KEY,
  sync_type      TEXT NOT NULL CHECK (sync_type IN ('members', 'consumption_records')),
  -- Everything, and not only what has changed.
  force          BOOLEAN NOT NULL,
  status         TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
  -- What the PMS is asked for: changes since then; null: all.
  updated_since  TIMESTAMPTZ,
  -- The next page: committed with what the page before brought.
  cursor         TEXT,
  -- The newest change that was seen.
  newest         TIMESTAMPTZ,
  synced_count   INT NOT NULL DEFAULT 0,
  failed_count   INT NOT NULL DEFAULT 0,
  -- For a person to decide, or stays of whom that is undecided.
  waiting_count  INT NOT NULL DEFAULT 0,
  -- The first failures: [{record, reason}]. No personal data.
  failures       JSONB NOT NULL DEFAULT '[]',
  error_message  VARCHAR(200),
  -- Who works on it holds the number of his turn, until the lease ends.
  turn           INT NOT NULL DEFAULT 0,
  lease_until    TIMESTAMPTZ,
  -- Turns since the last page was taken.
  attempt        INT NOT NULL DEFAULT 0,
  due_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
  created_by     BIGINT REFERENCES users ON DELETE SET NULL,
  created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
  started_at     TIMESTAMPTZ,
  completed_at   TIMESTAMPTZ
);
CREATE UNIQUE INDEX pms_sync_tasks_one ON pms_sync_tasks ((TRUE)) WHERE status IN ('pending', 'running');
CREATE INDEX pms_sync_tasks_newest ON pms_sync_tasks (sync_type, created_at DESC);
CREATE INDEX pms_sync_tasks_user ON pms_sync_tasks (created_by) WHERE created_by IS NOT NULL;

-- Whom the PMS means. A guest may be there more than once.
CREATE TABLE pms_members (
  id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pms_id       VARCHAR(100) NOT NULL UNIQUE,
  -- Null: more than one could be meant, and a person is to say who.
  member_id    BIGINT REFERENCES members ON DELETE CASCADE,
  -- As the PMS has it: what is not newer is not taken again, and so leaves alone what was changed here meanwhile.
  changed_at   TIMESTAMPTZ NOT NULL,
  -- Of the undecided: all that the PMS says, sealed, and the members who could be meant.
  record       TEXT,
  candidates   BIGINT[],
  reason       TEXT,
  created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
  decided_at   TIMESTAMPTZ,
  decided_by   BIGINT REFERENCES users ON DELETE SET NULL,
  CHECK ((member_id IS NULL) = (record IS NOT NULL))
);
CREATE INDEX pms_members_member ON pms_members (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX pms_members_undecided ON pms_members (created_at, id) WHERE member_id IS NULL;
CREATE INDEX pms_members_user ON pms_members (decided_by) WHERE decided_by IS NOT NULL;

-- Stays of guests who are not known yet, until they are.
CREATE TABLE pms_waiting_stays (
  stay_id     VARCHAR(100) PRIMARY KEY,
  pms_id      VARCHAR(100) NOT NULL,
  record      JSONB NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX pms_waiting_stays_guest ON pms_waiting_stays (pms_id);
