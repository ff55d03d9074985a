-- Up Migration

-- Functions as they were deployed, beside those that lie in the image. Told by the SHA-256 of their code.
CREATE TABLE function_bundles (
  function    VARCHAR(200) NOT NULL,
  hash        CHAR(64) NOT NULL,
  code        TEXT NOT NULL,
  -- Source map, JSON.
  map         TEXT NOT NULL,
  -- Of the platform that it was built beside: it runs beside no other.
  platform    VARCHAR(64) NOT NULL,
  -- Packages that the image must have.
  packages    TEXT[] NOT NULL,
  created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (function, hash)
);

-- Every step of every deploy, for ever: who did what, and when. Its state is what the containers go by.
CREATE TABLE function_deploys (
  id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  function     VARCHAR(200) NOT NULL,
  action       VARCHAR(20) NOT NULL CHECK (action IN ('deploy', 'canary', 'promote', 'rollback', 'remove')),
  -- preparing: containers try whether it would run, and change nothing. abandoned: it never ran.
  state        VARCHAR(20) NOT NULL CHECK (state IN ('preparing', 'live', 'abandoned')),
  -- What all calls run on from here on: a bundle; null is what lies in the image; removed is nothing.
  hash         CHAR(64),
  removed      BOOLEAN NOT NULL DEFAULT FALSE,
  -- What a share of the calls runs on.
  canary_hash  CHAR(64),
  canary_share REAL CHECK (canary_share > 0 AND canary_share < 1),
  -- The deploy that a rollback of this one goes back to.
  previous     BIGINT,
  deployed_by  VARCHAR(200) NOT NULL,
  reason       TEXT,
  created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
  live_at      TIMESTAMPTZ
);
CREATE INDEX function_deploys_by_function ON function_deploys (function, id);

-- The processes of the fleet. One that is not seen for a while has ended.
CREATE TABLE function_hosts (
  id          UUID PRIMARY KEY,
  name        VARCHAR(200) NOT NULL,
  -- Globs of the functions that it runs.
  functions   TEXT[] NOT NULL,
  platform    VARCHAR(64) NOT NULL,
  started_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
  seen_at     TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What each process made of each deploy.
CREATE TABLE function_reports (
  deploy_id  BIGINT NOT NULL REFERENCES function_deploys (id) ON DELETE CASCADE,
  host_id    UUID NOT NULL,
  host_name  VARCHAR(200) NOT NULL,
  -- ready: it would run. running: it does. refused: it does not, and what ran before goes on.
  outcome    VARCHAR(20) NOT NULL CHECK (outcome IN ('ready', 'running', 'refused')),
  reason     TEXT,
  at         TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (deploy_id, host_id)
);

CREATE FUNCTION function_deploy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('function_deploy', NEW.function);
  RETURN NULL;
END $$;
CREATE TRIGGER function_deploy_changed AFTER INSERT OR UPDATE ON function_deploys
  FOR EACH ROW EXECUTE FUNCTION function_deploy_changed();

-- Down Migration

DROP TABLE function_reports;
DROP TABLE function_hosts;
DROP TABLE function_deploys;
DROP FUNCTION function_deploy_changed();
DROP TABLE function_bundles;
