/** This system on servers of its own: PostgreSQL as Debian sets it up, RabbitMQ and Redis, all durable. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { connect } from "amqplib";
import { Client } from "pg";
import { install } from "../harness/install.ts";
import { ownFolder } from "../harness/process.ts";
import { addVhost, startPostgres, startRabbit, startRedis } from "../harness/services.ts";
import { root, startApp, startHouse, type App, type Profile } from "./app.ts";

const run = promisify(execFile);

/**
 * The functions of a container that takes mail in by HTTP, of one that takes it in by SMTP, of one that
 * runs scheduled mail, and of one that delivers it.
 */
export const roles = {
  api: "health,mail/send,mail/send-batch,mail/status,mail/history,auth/*",
  smtp: "mail/receive",
  scheduler: "schedule/*",
  worker: "mail/deliver,mail/publish-stranded,mail/release-expired,mail/sum-totals",
};

/** What the image sets for a container of 256 MB (Dockerfile.runtime): without a limit V8 lets garbage lie where there is room. */
export const inImage = {
  NODE_OPTIONS: "--max-old-space-size=112",
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
};

export interface Servers {
  /** The first process of each, by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** A system without any process yet, with a database and a virtual host of its own. */
  newSystem(name: string, workers: number, env?: Readonly<Record<string, string>>): Promise<System>;
  /** Ends every process of every system, and the servers. */
  close(): Promise<void>;
}

export interface System {
  /** The measuring side's own connection. */
  readonly db: Client;
  readonly databaseUrl: string;
  /** A client's token: the value of its `Authorization` header. */
  readonly authorization: string;
  /** The same of another client, or of a client that is there already. */
  newAuthorization(permissions: string, clientId?: string): Promise<string>;
  readonly provider: App;
  /** Starts one of its processes with these functions. */
  start(name: string, functions: string, profile?: Profile): Promise<App>;
  /** Messages that wait in the mail queue. */
  queued(): Promise<number>;
  /** Empties tables and queue, so that every measurement starts from the same. */
  empty(): Promise<void>;
}

export async function startServers(tell: (line: string) => void): Promise<Servers> {
  const missing = await install(tell);
  if (missing.length > 0) throw new Error(`This needs ${missing.join(" and ")}.`);
  tell("Starting PostgreSQL, RabbitMQ, Redis …");
  const [postgres, rabbit, redis] = await Promise.all([startPostgres(), startRabbit(), startRedis()]);
  const systems: (System & { close(): Promise<void> })[] = [];
  const pids = Object.entries({ PostgreSQL: postgres, RabbitMQ: rabbit, Redis: redis });
  return {
    pids: Object.fromEntries(pids.map(([name, { pid = 0 }]) => [name, pid])),
    async newSystem(name, workers, env = {}) {
      const admin = new Client({ connectionString: postgres.url });
      await admin.connect();
      await admin.query(`CREATE DATABASE ${name}`);
      await admin.end();
      await addVhost(rabbit.controlPort, name);
      const databaseUrl = postgres.url.replace(/\/postgres$/, `/${name}`);
      const system = await openSystem({
        APP_ENV: "production",
        NODE_ENV: "production",
        DATA_DIR: ownFolder("data"),
        JWT_SECRET: randomBytes(32).toString("hex"),
        DATABASE_URL: databaseUrl,
        RABBITMQ_URL: `${rabbit.url}/${name}`,
        KEYDB_URL: `${redis.url}/${systems.length}`,
        WORKER_CONCURRENCY: String(workers),
        WORKER_PREFETCH: String(workers),
        RATE_LIMIT_DEPARTMENT_PER_MINUTE: "0",
        RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "0",
        RATE_LIMIT_RECIPIENT_PER_HOUR: "0",
        SENDGRID_API_KEY: "SG.bench",
        ...env,
      });
      systems.push(system);
      return system;
    },
    async close() {
      await Promise.all(systems.map((system) => system.close()));
      await Promise.all([postgres.close(), rabbit.close(), redis.close()]);
    },
  };
}

interface Environment extends Record<string, string> {
  DATABASE_URL: string;
  RABBITMQ_URL: string;
}

async function openSystem(given: Environment): Promise<System & { close(): Promise<void> }> {
  const provider = await startApp({
    name: "provider",
    args: [join(import.meta.dirname, "provider.ts")],
    readyPath: "/accepted",
    env: (port) => ({ PORT: String(port) }),
  });
  const environment = { ...given, SENDGRID_BASE_URL: provider.url };
  const processes = [provider];
  const start: System["start"] = async (name, functions, profile) => {
    const app = await startHouse({ name, env: { ...environment, FUNCTIONS: functions }, profile });
    processes.push(app);
    return app;
  };

  // A worker makes the queues; it also brings the database up to date.
  await (await start("worker", roles.worker)).stop();
  const db = new Client({ connectionString: given.DATABASE_URL });
  await db.connect();
  const newAuthorization: System["newAuthorization"] = async (permissions, clientId) => {
    const fn = join(root, "runtime/cli/main.mjs");
    const create = ["token", "create", "--name", "Bench", "--permissions", permissions, "--json"];
    const env = { ...environment, PATH: process.env["PATH"] };
    const { stdout } = await run(process.execPath, [fn, ...create], { cwd: root, env });
    const made = JSON.parse(stdout) as { token: string; client_id: string };
    if (clientId !== undefined) {
      await db.query("UPDATE client_tokens SET client_id = $2 WHERE client_id = $1", [made.client_id, clientId]);
    }
    return `Bearer ${made.token}`;
  };
  const broker = await connect(given.RABBITMQ_URL);
  const channel = await broker.createChannel();
  const queue = "mail-queue";
  return {
    db,
    databaseUrl: given.DATABASE_URL,
    authorization: await newAuthorization("mail:send,mail:read"),
    newAuthorization,
    provider,
    start,
    queued: async () => (await channel.checkQueue(queue)).messageCount,
    async empty() {
      await channel.purgeQueue(queue);
      await db.query("TRUNCATE mails, mail_events CASCADE");
      await db.query("CHECKPOINT");
    },
    async close() {
      await Promise.all(processes.map((app) => app.stop()));
      await broker.close();
      await db.end();
    },
  };
}

/** Waits until a check answers true, without a deadline that a slow machine could miss: only a standstill is a failure. */
export async function until(what: string, left: () => Promise<number>): Promise<void> {
  let least = Infinity;
  let still = 0;
  for (let now = await left(); now > 0; now = await left()) {
    still = now < least ? 0 : still + 1;
    least = Math.min(least, now);
    if (still > 200) throw new Error(`${what}: ${now} left, and no fewer for 10 s`);
    await wait(50);
  }
}

/** Mails in the database. */
export async function rows({ db }: System): Promise<number> {
  const { rows: found } = await db.query<{ count: number }>("SELECT count(*)::int AS count FROM mails");
  return found[0]?.count ?? 0;
}

/** What was accepted is published after its reply: waits for that, so that it does not weigh on what is measured next. */
export async function settled(system: System): Promise<void> {
  await until("mails are published", async () => (await rows(system)) - (await system.queued()));
}

/** A mail of two kilobytes, as a client posts it. */
export const mail = {
  from: "Bench <bench@example.com>",
  to: ["reader@example.org"],
  subject: "A mail of two kilobytes",
  body: "All work and no play makes a mail of two kilobytes dull.\r\n".repeat(35),
};
