/** PostgreSQL as the process uses it: a pool that fails fast while the server is away, and recovers by itself. */
import { setTimeout as pause } from "node:timers/promises";
import {
  type ClientConfig,
  Client,
  DatabaseError,
  Pool,
  type PoolClient,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
} from "pg";
import type { Logger } from "pino";
import { openBatcher, type Batcher } from "./batch.ts";
import { isUnavailable } from "./unavailable.ts";

export { isOverdue, isUnavailable } from "./unavailable.ts";
export { isRowsFault, type Statement } from "./batch.ts";

export interface DatabaseOptions {
  url: string;
  /** Most connections. */
  poolSize: number;
  log: Logger;
  /** As `pg_stat_activity` shows it. */
  applicationName: string;
  /** How long opening waits for the server, in ms. Default 0: one try. */
  waitMs?: number;
  /** Most ms to get a connection, be it new or a free one of the pool. Default 900: the caller knows within a second. */
  connectMs?: number;
  /** Most ms that one statement may run. Default 10,000. A server that says nothing for a second longer counts as away. */
  statementMs?: number;
}

/** The same `query` on the pool and within a transaction. */
export interface Queryable {
  /** Rejects with an error that `isUnavailable` recognises when the server is away. Never hangs. */
  query<Row extends QueryResultRow>(text: string | QueryConfig, values?: readonly unknown[]): Promise<QueryResult<Row>>;
}

export interface Database extends Queryable {
  readonly pool: Pool;
  readonly url: string;
  /** Puts the row into the next multi-row statement: see `Batcher`. */
  readonly batch: Batcher["batch"];
  /**
   * Commits when `work` returns and rolls back when it throws. Throws too when PostgreSQL answers the commit with a rollback.
   * After a deadlock, `work` runs again: it changes nothing but what it asks the transaction to.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Whether the server answered last. While it is down, it is asked again every 250 ms. */
  isUp(): boolean;
  /** Lets the batches under way finish, then closes every connection. May be called twice. */
  close(): Promise<void>;
}

/** Throws one sentence, without the password, when the server cannot be reached within `waitMs`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, log, connectMs = 900, statementMs = 10_000 } = options;
  const connection = {
    connectionString: url,
    application_name: options.applicationName,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const pool = new Pool({
    ...connection,
    max: options.poolSize,
    statement_timeout: statementMs,
    query_timeout: statementMs + 1000,
    // A connection collects the prepared statements of every version of a function that it has seen.
    maxLifetimeSeconds: 3600,
  });
  // The pool replaces a lost connection by itself; whoever was using it gets the error from the query.
  pool.on("connect", (client) => void client.on("error", () => {}));
  pool.on("error", check);

  let up = true;
  let probing: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  function check(): void {
    if (!closing) probing ??= probe();
  }
  function went(state: boolean, error?: unknown): void {
    if (up === state) return;
    up = state;
    if (up) log.info("PostgreSQL is back");
    else log.error({ err: error }, "PostgreSQL is away");
  }
  async function probe(): Promise<void> {
    do {
      const failure = await ask(connection);
      if (closing) return;
      went(failure === undefined, failure);
      if (!up) await pause(250, undefined, { ref: false });
    } while (!up);
    probing = undefined;
  }

  async function withClient<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    let client: PoolClient | undefined;
    let broken = false;
    try {
      client = await pool.connect();
      const result = await use(client);
      went(true);
      return result;
    } catch (error) {
      if (isUnavailable(error)) {
        // With every connection busy there may be nothing wrong with the server: the probe will tell.
        if (!isBusy(error)) went(false, error);
        check();
      }
      broken = isBroken(error) || client?.getTransactionStatus() !== "I";
      throw error;
    } finally {
      client?.release(broken);
    }
  }

  const query: Database["query"] = (text, values) =>
    afterDeadlocks(() => withClient((client) => client.query(text, values && [...values])));
  const batcher = openBatcher((prepared) => query(prepared), isUnavailable);

  async function end(): Promise<void> {
    await batcher.drain();
    await pool.end();
  }

  const deadline = Date.now() + (options.waitMs ?? 0);
  for (;;) {
    const failure = await ask(connection);
    if (failure === undefined) break;
    if (Date.now() >= deadline || !isUnavailable(failure)) {
      const reason = failure instanceof DatabaseError ? failure.message : codeOf(failure);
      throw new Error(`PostgreSQL at ${placeOf(url)} cannot be reached: ${reason}.`, { cause: failure });
    }
    await pause(100);
  }

  return {
    pool,
    url,
    query,
    batch: batcher.batch,
    transaction: (work) => afterDeadlocks(() => withClient((client) => commit(client, work))),
    isUp: () => up,
    close: () => (closing ??= end()),
  };
}

async function commit<T>(client: PoolClient, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  await client.query("BEGIN");
  try {
    const result = await work({ query: (text, values) => client.query(text, values && [...values]) });
    const answer = await client.query("COMMIT");
    if (answer.command !== "COMMIT")
      throw new Error("The transaction was rolled back: one of its statements had failed.");
    return result;
  } catch (error) {
    // Should this fail as well, the connection goes, and the server rolls back.
    if (!isBroken(error)) await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}

const mostDeadlocks = 3;

/** Of two that wait for each other, PostgreSQL ends one and keeps nothing of it: so it may run again. */
async function afterDeadlocks<T>(run: () => Promise<T>): Promise<T> {
  for (let deadlocks = 0; ; deadlocks++) {
    try {
      return await run();
    } catch (error) {
      const isDeadlock = error instanceof DatabaseError && error.code === "40P01";
      if (!isDeadlock || deadlocks === mostDeadlocks) throw error;
    }
  }
}

/** One answer on a connection of its own; returns what went wrong. */
async function ask(connection: ClientConfig): Promise<unknown> {
  const client = new Client({ ...connection, query_timeout: connection.connectionTimeoutMillis });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("SELECT");
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await client.end();
  }
}

/** The connection is lost, out of step after a read timeout, or keeps a plan from before a migration (0A000). */
function isBroken(error: unknown): boolean {
  return (
    isUnavailable(error) || (error instanceof DatabaseError && (error.severity === "FATAL" || error.code === "0A000"))
  );
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("timeout exceeded");
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** `host:port/database`, as a person would look for it. */
function placeOf(url: string): string {
  const { host, port, database } = new Client({ connectionString: url });
  return `${host}:${port}/${database ?? ""}`;
}
