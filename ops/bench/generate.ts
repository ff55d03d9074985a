/**
 * Fills a database with mails as two years leave them: `node ops/bench/generate.ts --database <url> [--count <n>]`.
 * Ten million take a few minutes and about 6 GB.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { pino } from "pino";
import { migrate } from "../../lib/resources/migrations.ts";
import { root } from "./app.ts";

/** Clients `client_01` to `client_50`, each about a fifth smaller than the one before; the last has ten mails in ten million. */
export const clients = 50;
export const clientId = (number: number): string => `client_${String(number).padStart(2, "0")}`;

const atOnce = 500_000;

/**
 * In time order, as mail comes in. What is queued is to be sent in a year, and what is processed has its lease until
 * then: a worker that runs on this database has nothing to do.
 */
const insert = `
  INSERT INTO mails (from_address, to_addresses, subject, body, status, attempt, client_id, client_name,
                     created_at, updated_at, sent_at, error_message, send_at, due_at, lease_until)
  SELECT 'office' || client || '@example.com', ARRAY['reader' || number % 100000 || '@example.org'],
         'Mail number ' || number, 'Dear reader, this is mail number ' || number, status,
         CASE WHEN status IN ('queued', 'cancelled') THEN 0 ELSE 1 END,
         'client_' || lpad(client::text, 2, '0'), 'Client ' || client, at, at + interval '3 seconds',
         CASE WHEN status = 'sent' THEN at + interval '3 seconds' END,
         CASE WHEN status = 'failed' THEN 'http_400: refused' END,
         CASE WHEN status = 'queued' THEN now() + interval '1 year' END,
         CASE WHEN status = 'queued' THEN now() + interval '1 year' ELSE at END,
         CASE WHEN status = 'processing' THEN now() + interval '1 year' END
  FROM (
    SELECT number, now() - interval '2 years' * (1 - number / $3::float8) AS at,
           least($4::int, 1 + floor(-4 * ln(1 - random())))::int AS client, random() AS chance
    FROM generate_series($1::int, $2::int) AS number
  ) AS drawn
  CROSS JOIN LATERAL (SELECT CASE
    WHEN chance < 0.97 THEN 'sent' WHEN chance < 0.99 THEN 'failed' WHEN chance < 0.998 THEN 'cancelled'
    WHEN chance < 0.99998 THEN 'queued' ELSE 'processing' END) AS become (status)`;

/**
 * Adds `count` mails, in one transaction: indexes and constraints go, and are built again over the whole. Returns once the tables are
 * vacuumed and analysed; the schema is the one that the migrations make.
 */
export async function generate(url: string, count: number, tell: (line: string) => void): Promise<void> {
  await migrate({ url, folder: join(root, "sql"), log: pino({ level: "silent" }) });
  const db = new Client({ connectionString: url });
  await db.connect();
  try {
    await db.query("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SELECT setseed(0.42)");
    await db.query("BEGIN");
    await db.query("LOCK TABLE mails");
    const { drop, make } = await parts(db);
    for (const sql of drop) await db.query(sql);
    for (let from = 1; from <= count; from += atOnce) {
      const to = Math.min(count, from + atOnce - 1);
      await db.query(insert, [from, to, count, clients]);
      tell(`  ${to.toLocaleString("en")} of ${count.toLocaleString("en")} mails`);
    }
    for (const sql of make) {
      tell(`  ${sql}`);
      await db.query(sql);
    }
    await db.query("SELECT recount_mails()");
    await db.query("COMMIT");
    tell("  VACUUM ANALYZE mails");
    await db.query("VACUUM ANALYZE mails, mail_totals, mail_total_changes");
    await db.query("CHECKPOINT");
  } finally {
    await db.end();
  }
}

/** What would slow every row down: the indexes, constraints and triggers of `mails`, with foreign keys on it. */
async function parts(db: Client): Promise<{ drop: string[]; make: string[] }> {
  const { rows: constraints } = await db.query<{ on: string; name: string; definition: string }>(
    `SELECT conrelid::regclass AS on, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
     FROM pg_constraint WHERE contype = 'f' AND confrelid = 'mails'::regclass OR contype = 'p' AND conrelid = 'mails'::regclass
     ORDER BY contype`,
  );
  const { rows: indexes } = await db.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid = 'mails'::regclass AND NOT indisprimary`,
  );
  return {
    drop: [
      ...constraints.map(({ on, name }) => `ALTER TABLE ${on} DROP CONSTRAINT ${name}`),
      ...indexes.map(({ name }) => `DROP INDEX ${name}`),
      "ALTER TABLE mails DISABLE TRIGGER USER",
    ],
    make: [
      ...constraints
        .toReversed()
        .map(({ on, name, definition }) => `ALTER TABLE ${on} ADD CONSTRAINT ${name} ${definition}`),
      ...indexes.map(({ definition }) => definition),
      "ALTER TABLE mails ENABLE TRIGGER USER",
    ],
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { database: { type: "string" }, count: { type: "string", default: "10000000" } },
  });
  const count = Number(values.count);
  if (values.database === undefined || !Number.isInteger(count) || count < 1) {
    console.error("node ops/bench/generate.ts --database postgres://… [--count 10000000]");
    process.exitCode = 64;
  } else await generate(values.database, count, (line) => console.error(line));
}
