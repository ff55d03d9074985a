/** The log of requests, `api_logs`: collected here, and written to the database beside the requests, many at once. */
import { Counter, type Registry } from "prom-client";
import type { Logger } from "../../runtime/context.ts";
import { isUnavailable, type Database } from "./database.ts";

/** A row; names are the columns'. */
export interface ApiLogRow {
  client_id: string;
  client_name: string;
  request_ip: string | null;
  endpoint: string;
  method: string;
  mail_id: string | null;
  status_code: number;
  response_time_ms: number;
  /** Milliseconds since 1970. */
  created_ms: number;
}

export interface ApiLog {
  /** Takes a row. Returns before it is written, and never throws: a request does not depend on its log. */
  add(row: ApiLogRow): void;
  /** Writes what is left, if the database is there. */
  close(): Promise<void>;
}

export interface ApiLogOptions {
  db: Pick<Database, "query">;
  log: Logger;
  registry: Registry;
  /** Rows of one statement. Default 500. */
  batch?: number;
  /** Longest time that a row waits to be written, in ms. Default 1,000. */
  everyMs?: number;
  /** Most rows that wait while PostgreSQL is away; then the oldest go. Default 20,000: some 5 MB. */
  capacity?: number;
}

const insertRows = {
  name: "insert_api_logs",
  text: `
    INSERT INTO api_logs (client_id, client_name, request_ip, endpoint, method, mail_id, status_code, response_time_ms,
                          created_at)
    SELECT client_id, client_name, request_ip, endpoint, method, mail_id, status_code, response_time_ms,
           to_timestamp(created_ms / 1000.0)
    FROM jsonb_to_recordset($1::jsonb) AS input (
      client_id text, client_name text, request_ip inet, endpoint text, method text, mail_id uuid, status_code int,
      response_time_ms int, created_ms bigint)`,
};

export function openApiLog({ db, log, registry, ...options }: ApiLogOptions): ApiLog {
  const { batch = 500, everyMs = 1000, capacity = 20_000 } = options;
  const dropped = new Counter({
    name: "api_logs_dropped_total",
    help: "Requests that are missing from api_logs, as a rule because PostgreSQL was away for too long",
    registers: [registry],
  });
  let waiting: ApiLogRow[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let isAway = false;
  let isClosed = false;

  function schedule(): void {
    if (writing || isClosed || waiting.length === 0) return;
    if (waiting.length >= batch && !isAway) start();
    else timer ??= setTimeout(start, everyMs).unref();
  }

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    writing = write().finally(() => {
      writing = undefined;
      schedule();
    });
  }

  /** Writes until less than a batch is left. Rows whose commit was cut off by an outage may be there twice. */
  async function write(): Promise<void> {
    do {
      const rows = waiting.splice(0, batch);
      try {
        await db.query({ ...insertRows, values: [JSON.stringify(rows)] });
        isAway = false;
      } catch (error) {
        isAway = isUnavailable(error);
        if (isAway) waitAgain(rows);
        else drop(rows.length, error);
      }
    } while (!isAway && waiting.length >= batch);
  }

  /** In front of what has come meanwhile; that may have taken their place. */
  function waitAgain(rows: readonly ApiLogRow[]): void {
    waiting = [...rows, ...waiting];
    const tooMany = waiting.length - capacity;
    if (tooMany > 0) dropped.inc(waiting.splice(0, tooMany).length);
  }

  function drop(count: number, error: unknown): void {
    dropped.inc(count);
    log.error({ err: error, count }, "requests are missing from api_logs");
  }

  return {
    add(row) {
      if (waiting.length >= capacity) dropped.inc(waiting.splice(0, batch).length);
      waiting.push(row);
      schedule();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await writing;
      isAway = false; // One more try.
      while (waiting.length > 0 && !isAway) await write();
      if (waiting.length > 0) drop(waiting.length, undefined);
    },
  };
}
