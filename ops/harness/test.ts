/**
 * What a test asks for. The servers are shared with every test of the run; run by hand (`node lib/x.test.ts`), a file
 * starts its own, and they end with it. A test that asks for a server that this machine does not have counts as skipped.
 */
import { randomBytes } from "node:crypto";
import { createClient } from "redis";
import { createDatabase, makeTemplate } from "./databases.ts";
import { ownFolder } from "./process.ts";
import { addVhost, startPostgres, startRabbit, startRedis } from "./services.ts";

export { eventually } from "./eventually.ts";

/** What the runner tells its tests: where the shared servers are. */
export interface SharedServers {
  TEST_POSTGRES_URL?: string;
  /** A database with the house's tables, to make others from. */
  TEST_POSTGRES_TEMPLATE?: string;
  TEST_REDIS_URL?: string;
  TEST_RABBITMQ_URL?: string;
  TEST_RABBITMQ_CONTROL_PORT?: string;
}

/** Settings for the ordinary run: many tests, each with a few pools, and no power cuts. */
export const testPostgres = { durable: false, settings: { max_connections: 400 } };

const shared: SharedServers = process.env;

const postgres = once(async () => shared.TEST_POSTGRES_URL ?? (await startPostgres(testPostgres)).url);

const redis = once(async () => shared.TEST_REDIS_URL ?? (await startRedis({ durable: false })).url);

const rabbit = once(async () =>
  shared.TEST_RABBITMQ_URL !== undefined && shared.TEST_RABBITMQ_CONTROL_PORT !== undefined
    ? { url: shared.TEST_RABBITMQ_URL, controlPort: Number(shared.TEST_RABBITMQ_CONTROL_PORT) }
    : await startRabbit(),
);

const template = once(async () => shared.TEST_POSTGRES_TEMPLATE ?? (await makeTemplate(await postgres())));

/** The start of the name of every database that the process makes. */
export const databasePrefix = (pid: number): string => `test_${pid}_`;

/** A new database with the house's tables and nothing in them: its postgres:// address. */
export async function freshDatabase(): Promise<string> {
  return await newDatabase(` TEMPLATE ${await template()}`);
}

/** A new database without even tables: its postgres:// address. */
export async function emptyDatabase(): Promise<string> {
  return await newDatabase();
}

async function newDatabase(more = ""): Promise<string> {
  const name = databasePrefix(process.pid) + randomBytes(4).toString("hex");
  return await createDatabase(await postgres(), name, more);
}

/** A new empty virtual host: its amqp:// address. */
export async function freshVhost(): Promise<string> {
  const { url, controlPort } = await rabbit();
  const name = `test-${process.pid}-${randomBytes(4).toString("hex")}`;
  await addVhost(controlPort, name);
  return `${url}/${name}`;
}

/** An empty Redis database that no one else has: its redis:// address, with its number. Publish and subscribe see all numbers. */
export async function freshRedis(): Promise<string> {
  const url = await redis();
  const client = await createClient({ url }).connect();
  try {
    return `${url}/${await client.incr("databases given")}`;
  } finally {
    client.destroy();
  }
}

/** A new empty folder, removed when the test process ends. */
export async function temporaryFolder(): Promise<string> {
  return ownFolder("test");
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
