/** The embedded PostgreSQL: a real server from npm, of which one process at a time is the owner. */
import { setTimeout as pause } from "node:timers/promises";
import { Client, DatabaseError } from "pg";
import type { Logger } from "pino";
import { embeddedServer, socketPort, type EmbeddedServer } from "./embedded-server.ts";

export interface EmbeddedPostgresOptions {
  /** Everything lies under `<folder>/postgres/`. */
  folder: string;
  log: Logger;
  /** The owner keeps the server and stops it at `close`. A guest, such as a command line tool, uses one that runs, and only without one becomes owner. */
  role: "owner" | "guest";
}

export interface EmbeddedPostgres {
  /** For `pg`, MikroORM and pg-boss alike: the socket's folder is the host, percent-encoded. */
  readonly url: string;
  /** Whether the server was already running. */
  readonly adopted: boolean;
  /** Owner: returns when the server has stopped. Guest: leaves it running. May be called twice. */
  close(): Promise<void>;
}

/** Any number that nobody else uses for an advisory lock in the database `postgres`. */
const ownerLock = 7_070_210_715;
const patienceMs = 300_000;

/**
 * Returns once the database `postroom` can be used. While this process owns the server, it also starts it again
 * should it die. Throws one sentence when another process owns the folder, or the folder cannot be used.
 */
export async function openEmbeddedPostgres({ folder, log, role }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await embeddedServer(folder);
  let hold = await takeHold(server, folder, role);
  let closing: Promise<void> | undefined;
  let keeping = Promise.resolve();
  const { url, adopted } = hold;
  log.info({ folder: server.place, adopted, owner: hold.lock !== undefined }, "the embedded PostgreSQL is up");

  // The lock is gone with its connection: a crash of the server, or an operator who ended all connections.
  function keep(lock: Client): void {
    lock.once("end", () => {
      if (!closing) keeping = regain();
    });
  }
  async function regain(): Promise<void> {
    log.error({ folder: server.place }, "the connection to the embedded PostgreSQL was lost; taking it up again");
    try {
      hold = await takeHold(server, folder, "owner");
      log.info({ folder: server.place }, "the embedded PostgreSQL is up again");
      if (hold.lock) keep(hold.lock);
    } catch (error) {
      log.error({ err: error }, "the embedded PostgreSQL could not be taken up again");
      await pause(1000);
      if (!closing) await regain();
    }
  }
  if (hold.lock) keep(hold.lock);

  async function end(): Promise<void> {
    await keeping;
    if (!hold.lock) return;
    await server.stop();
    await hold.lock.end();
  }
  return { url, adopted, close: () => (closing ??= end()) };
}

interface Hold {
  url: string;
  adopted: boolean;
  /** The connection whose session holds the owner's lock; `undefined` for a guest. */
  lock: Client | undefined;
}

async function takeHold(server: EmbeddedServer, folder: string, role: "owner" | "guest"): Promise<Hold> {
  const deadline = Date.now() + patienceMs;
  let adopted = true;
  while (Date.now() < deadline) {
    const socket = await server.socket();
    const client = socket === undefined ? "away" : await connect(socket);
    if (client === "away" && !(await server.isAlive())) {
      if (await server.start()) adopted = false;
    } else if (client === "away" || client === "busy" || socket === undefined) {
      await pause(50);
    } else {
      const hold = await hasLock(client, folder, role).catch(async (error: unknown) => {
        await client.end();
        throw error;
      });
      if (hold) await createDatabase(client);
      if (hold) await server.tidy();
      if (!hold) await databaseExists(client, deadline);
      if (!hold) await client.end();
      const url = `postgres://postroom@${encodeURIComponent(socket)}:${socketPort}/postroom`;
      return { url, adopted, lock: hold ? client : undefined };
    }
  }
  throw new Error(`PostgreSQL in ${server.place} does not answer. Its log ends with:\n${await server.lastLines()}`);
}

/** `busy`: a server answers, but is starting, stopping or full. `away`: nothing answers. */
async function connect(socket: string): Promise<Client | "busy" | "away"> {
  const client = new Client({
    host: socket,
    port: socketPort,
    user: "postroom",
    database: "postgres",
    ssl: false,
    connectionTimeoutMillis: 5000,
    application_name: `postroom ${process.pid}`,
  });
  // An idle connection's end is told by `end`; without a listener `error` would end the process.
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    return error instanceof DatabaseError ? "busy" : "away";
  }
}

/** Takes the owner's lock. False: a guest found an owner. Throws when an owner found another one. */
async function hasLock(client: Client, folder: string, role: "owner" | "guest"): Promise<boolean> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const { rows } = await client.query<{ got: boolean }>("SELECT pg_try_advisory_lock($1) AS got", [ownerLock]);
    if (rows[0]?.got) return true;
    if (role === "guest") return false;
    const pid = await holder(client);
    // The server notices within moments that a killed owner's connection is gone.
    if (Date.now() > deadline || isAlive(pid)) {
      throw new Error(
        `Another process (pid ${pid ?? "unknown"}) already runs on ${folder}. Stop it first, or set DATA_DIR to another folder.`,
      );
    }
    await pause(20);
  }
}

async function holder(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = $1`,
    [ownerLock],
  );
  const pid = Number(rows[0]?.name.split(" ").at(-1));
  return Number.isInteger(pid) ? pid : undefined;
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function createDatabase(client: Client): Promise<void> {
  const found = await client.query("SELECT FROM pg_database WHERE datname = 'postroom'");
  if (found.rowCount === 0) await client.query("CREATE DATABASE postroom");
}

/** A guest may come while the owner is still creating it. */
async function databaseExists(client: Client, deadline: number): Promise<void> {
  const ask = () => client.query("SELECT FROM pg_database WHERE datname = 'postroom'");
  while ((await ask()).rowCount === 0 && Date.now() < deadline) await pause(50);
}
