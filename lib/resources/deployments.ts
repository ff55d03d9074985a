/** Keeps deploys in PostgreSQL, and tells every process of them. */
import { Client } from "pg";
import type { Deploy, DeployStore, FleetHost, Report, StoredBundle, Target } from "../../runtime/deploy/store.ts";
import type { Database } from "./database.ts";
import * as sql from "./deployments.sql.ts";
import type { DeployRow } from "./deployments.sql.ts";
import type { Listener } from "./listener.ts";

/** `listener` tells of changes; a tool that only asks needs none. */
export function openDeployments(db: Database, listener: Listener): DeployStore {
  const read = async (text: string, values: readonly unknown[] = []) =>
    (await db.query<DeployRow>(text, values)).rows.map(deployOf);

  return {
    current: () => read(sql.currentDeploys),
    history: (name, limit) => read(sql.deployHistory, [name ?? null, limit]),
    find: async (id) => (await read(sql.findDeploy, [id]))[0],

    async bundle(name, hash) {
      const { rows } = await db.query<StoredBundle & Record<string, unknown>>(sql.findBundle, [name, hash]);
      return rows[0];
    },
    async keep({ function: name, hash, code, map, platform, packages }) {
      await db.query(sql.keepBundle, [name, hash, code, map, platform, packages]);
    },

    async begin(step, state, after) {
      const { target, canary } = step;
      const { rows } = await db.query<{ id: string }>(sql.beginDeploy, [
        step.function,
        step.action,
        state,
        target.kind === "bundle" ? target.hash : null,
        target.kind === "removed",
        canary?.hash ?? null,
        canary?.share ?? null,
        step.previous ?? null,
        step.by,
        step.reason ?? null,
        after ?? null,
      ]);
      return rows[0]?.id;
    },
    decide: async (id, state) => (await db.query(sql.decideDeploy, [id, state])).rowCount === 1,

    async report(id, host, outcome, reason) {
      await db.query(sql.reportDeploy, [id, host.id, host.name, outcome, reason ?? null]);
    },
    async reports(id) {
      const { rows } = await db.query<{ host: string; outcome: Report["outcome"]; reason: string | null }>(
        sql.readReports,
        [id],
      );
      return rows.map(({ host, outcome, reason }) => ({ host, outcome, reason: reason ?? undefined }));
    },

    async hello({ id, name, functions, platform }) {
      await db.query(sql.helloHost, [id, name, functions, platform]);
    },
    async goodbye({ id }) {
      await db.query(sql.goodbyeHost, [id]);
    },
    async hosts(seconds) {
      return (await db.query<FleetHost & Record<string, unknown>>(sql.listHosts, [seconds])).rows;
    },

    async watch(changed) {
      let ended = false;
      const tell = () => void (ended || changed());
      await listener.on("function_deploy", tell);
      listener.onGap(tell);
      return () => void (ended = true);
    },

    async alone(name, run) {
      // On a connection of its own: when its process ends, in whatever way, so does the lock.
      const client = new Client({ connectionString: db.url, application_name: "postroom deploy" });
      client.on("error", () => {});
      await client.connect();
      try {
        const { rows } = await client.query<{ got: boolean }>(
          "SELECT pg_try_advisory_lock(hashtext('function_deploy'), hashtext($1)) AS got",
          [name],
        );
        return rows[0]?.got ? { result: await run() } : undefined;
      } finally {
        await client.end();
      }
    },
  };
}

function deployOf(row: DeployRow): Deploy {
  const { id, action, state, hash, canary_hash, canary_share, previous, deployed_by, reason } = row;
  const target: Target = row.removed
    ? { kind: "removed" }
    : hash === null
      ? { kind: "image" }
      : { kind: "bundle", hash };
  return {
    id,
    function: row.function,
    action,
    state,
    target,
    canary: canary_hash !== null && canary_share !== null ? { hash: canary_hash, share: canary_share } : undefined,
    previous: previous ?? undefined,
    by: deployed_by,
    reason: reason ?? undefined,
    at: row.created_at,
    liveAt: row.live_at ?? undefined,
  };
}
