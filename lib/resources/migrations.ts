/** Brings the database's tables to what this version of the code expects: plain SQL files, each in a transaction. */
import { readdir } from "node:fs/promises";
import { runner } from "node-pg-migrate";
import { Client } from "pg";
import type { Logger } from "pino";

export interface MigrationOptions {
  url: string;
  /** Folder of files `0001_name.sql`, each with a section `-- Up Migration` and maybe `-- Down Migration`. */
  folder: string;
}

const table = "pgmigrations";
/** Any number that nobody else uses for an advisory lock. */
const migrationLock = 7_070_210_716;

/**
 * Runs what is pending, in order. Of many processes at once one does the work, and the others wait for it.
 * Throws when the database knows a migration that the folder lacks, and when one fails: it is then rolled back, those before it stay.
 */
export async function migrate(options: MigrationOptions & { log: Logger }): Promise<{ applied: string[] }> {
  const { folder, log } = options;
  return withClient(options.url, async (client) => {
    // Waits. The tool's own lock fails at once by default, and does not cover the question whether we know this database.
    await client.query("SELECT pg_advisory_lock($1)", [migrationLock]);
    if ((await pending(client, folder)).length === 0) return { applied: [] };
    try {
      const done = await runner({
        dbClient: client,
        dir: folder,
        ignorePattern: String.raw`(?!.*\.sql$).*`,
        direction: "up",
        migrationsTable: table,
        singleTransaction: false,
        noLock: true,
        logger: {
          debug: (text) => log.debug(text),
          info: (text) => log.debug(text),
          warn: (text) => log.warn(text),
          error: (text) => log.error(text),
        },
      });
      const applied = done.map(({ name }) => name);
      log.info({ applied }, "migrated the database");
      return { applied };
    } catch (cause) {
      await client.query("ROLLBACK");
      const [failed] = await pending(client, folder);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Migration ${failed} failed and was rolled back: ${reason}`, { cause });
    }
  });
}

/** Names of the migrations that `migrate` would run now, in order. Throws like it when the database is newer. */
export async function pendingMigrations({ url, folder }: MigrationOptions): Promise<string[]> {
  return withClient(url, (client) => pending(client, folder));
}

async function pending(client: Client, folder: string): Promise<string[]> {
  const known = await names(folder);
  const exists = await client.query<{ found: boolean }>("SELECT to_regclass($1) IS NOT NULL AS found", [table]);
  if (!exists.rows[0]?.found) return known;
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY name`);
  const applied = new Set(rows.map(({ name }) => name));
  const unknown = [...applied].filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const what = unknown.length === 1 ? "migration" : "migrations";
    throw new Error(
      `The database is newer than this code: it has ${what} ${unknown.join(", ")}, which this version does not know. ` +
        "Start the newer version, or restore the matching database.",
    );
  }
  return known.filter((name) => !applied.has(name));
}

async function names(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).toSorted();
  for (const [i, file] of files.entries()) {
    if (!/^\d{4}_\w+\.sql$/.test(file))
      throw new Error(`${folder}/${file}: a migration is named like 0001_what_it_does.sql.`);
    if (file.slice(0, 4) === files[i + 1]?.slice(0, 4))
      throw new Error(`${folder} has two migrations ${file.slice(0, 4)}.`);
  }
  return files.map((file) => file.slice(0, -".sql".length));
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: "postroom migrations",
    connectionTimeoutMillis: 10_000,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end();
  }
}
