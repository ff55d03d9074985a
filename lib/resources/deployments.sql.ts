/** Deploys in the database: see `runtime/deploy/store.ts`. */

const columns = `id, function, action, state, hash, removed, canary_hash, canary_share, previous, deployed_by, reason,
  created_at, live_at`;

export interface DeployRow {
  id: string;
  function: string;
  action: "deploy" | "canary" | "promote" | "rollback" | "remove";
  state: "preparing" | "live" | "abandoned";
  hash: string | null;
  removed: boolean;
  canary_hash: string | null;
  canary_share: number | null;
  previous: string | null;
  deployed_by: string;
  reason: string | null;
  created_at: Date;
  live_at: Date | null;
}

/** Those that are being prepared for more than a minute were left behind by an operator who has gone. */
export const currentDeploys = `
  WITH live AS (
    SELECT DISTINCT ON (function) ${columns} FROM function_deploys WHERE state = 'live' ORDER BY function, id DESC
  )
  SELECT * FROM live
  UNION ALL
  SELECT ${columns} FROM function_deploys
  WHERE state = 'preparing' AND created_at > now() - interval '1 minute'
    AND id > coalesce((SELECT id FROM live WHERE live.function = function_deploys.function), 0)
  ORDER BY id`;

export const deployHistory = `
  SELECT ${columns} FROM function_deploys WHERE ($1::text IS NULL OR function = $1) ORDER BY id DESC LIMIT $2`;

export const findDeploy = `SELECT ${columns} FROM function_deploys WHERE id = $1`;

/** $11: the step that must be the newest live one of the function; null where it does not matter. */
export const beginDeploy = `
  INSERT INTO function_deploys
    (function, action, state, hash, removed, canary_hash, canary_share, previous, deployed_by, reason, live_at)
  SELECT $1::text, $2, $3::text, $4, $5, $6, $7, $8, $9, $10, CASE $3::text WHEN 'live' THEN now() END
  WHERE $11::bigint IS NULL
     OR $11 = (SELECT max(id) FROM function_deploys WHERE function = $1::text AND state = 'live')
  RETURNING id`;

export const decideDeploy = `
  UPDATE function_deploys SET state = $2::text, live_at = CASE $2::text WHEN 'live' THEN now() END
  WHERE id = $1 AND state = 'preparing'`;

export const findBundle = `
  SELECT function, hash, code, map, platform, packages FROM function_bundles WHERE function = $1 AND hash = $2`;

/** What was built beside another platform takes its place there: it is the same code. */
export const keepBundle = `
  INSERT INTO function_bundles (function, hash, code, map, platform, packages) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (function, hash) DO UPDATE SET platform = excluded.platform, map = excluded.map`;

export const reportDeploy = `
  INSERT INTO function_reports (deploy_id, host_id, host_name, outcome, reason) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (deploy_id, host_id) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, at = now()`;

export const readReports = `
  SELECT host_name AS host, outcome, reason FROM function_reports WHERE deploy_id = $1 ORDER BY host_name`;

/** What has not been seen for a day is nobody's any more. */
export const helloHost = `
  WITH gone AS (DELETE FROM function_hosts WHERE seen_at < now() - interval '1 day')
  INSERT INTO function_hosts (id, name, functions, platform) VALUES ($1, $2, $3, $4)
  ON CONFLICT (id) DO UPDATE SET seen_at = now()`;

export const goodbyeHost = "DELETE FROM function_hosts WHERE id = $1";

export const listHosts = `
  SELECT id, name, functions, platform FROM function_hosts
  WHERE seen_at > now() - make_interval(secs => $1) ORDER BY name`;
