/** One connection that waits for notifications, and comes back when it is lost. */
import { setTimeout as pause } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import type { Logger } from "pino";

type Handler = (payload: string) => void | Promise<void>;

export interface ListenerOptions {
  url: string;
  log: Logger;
  /** How often a silent connection is asked whether it still lives, in ms. Default 5,000. */
  heartbeatMs?: number;
}

export interface Listener {
  /** Resolves once the server notifies us of this channel; while it is away, at once, and the gap handlers run when it is back. */
  on(channel: string, handler: Handler): Promise<void>;
  /** Runs after each time that the connection was lost and regained: notifications may have been missed, so look for yourself. */
  onGap(handler: () => void | Promise<void>): void;
  isLive(): boolean;
  close(): Promise<void>;
}

/** Returns after the first try to connect. Should that fail, it goes on trying, and the first success counts as a gap. */
export async function openListener({ url, log, heartbeatMs = 5000 }: ListenerOptions): Promise<Listener> {
  const handlers = new Map<string, Handler[]>();
  const gapHandlers: (() => void | Promise<void>)[] = [];
  const stop = new AbortController();
  let live: Client | undefined;

  async function connect(): Promise<Client> {
    const client = new Client({
      connectionString: url,
      application_name: "postroom listener",
      connectionTimeoutMillis: 1000,
      query_timeout: 2000,
      keepAlive: true,
    });
    client.on("error", () => {});
    client.on("notification", ({ channel, payload = "" }) => {
      for (const handler of handlers.get(channel) ?? []) void call(() => handler(payload), log);
    });
    try {
      await client.connect();
      for (const channel of handlers.keys()) await client.query(`LISTEN ${escapeIdentifier(channel)}`);
      return client;
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  /** Returns when the connection is lost. The heartbeat finds out about one that says nothing any more. */
  async function watch(client: Client): Promise<void> {
    const lost = new AbortController();
    client.once("end", () => lost.abort());
    const over = AbortSignal.any([lost.signal, stop.signal]);
    while (await pause(heartbeatMs, true, { signal: over }).catch(() => false)) {
      if (!(await client.query("SELECT").catch(() => false))) break;
    }
    live = undefined;
    await client.end();
  }

  async function run(first: Client | undefined): Promise<void> {
    let client = first;
    for (let backoffMs = 50; !stop.signal.aborted; backoffMs = Math.min(backoffMs * 2, 1000)) {
      if (client) {
        await watch(client);
        if (stop.signal.aborted) return;
        log.warn("the connection for notifications was lost");
        backoffMs = 50;
      }
      client = await connect().catch(() => undefined);
      if (!client) await pause(backoffMs, undefined, { signal: stop.signal }).catch(() => {});
      else if (stop.signal.aborted) await client.end();
      else {
        live = client;
        log.info("the connection for notifications is back");
        for (const handler of gapHandlers) void call(handler, log);
      }
    }
  }

  live = await connect().catch((error: unknown) => {
    log.warn({ err: error }, "no connection for notifications yet");
    return undefined;
  });
  const running = run(live);

  return {
    async on(channel, handler) {
      handlers.set(channel, [...(handlers.get(channel) ?? []), handler]);
      // Lost meanwhile: the next connection listens to every channel.
      await live
        ?.query(`LISTEN ${escapeIdentifier(channel)}`)
        .catch((error: unknown) => log.warn({ err: error }, "LISTEN failed"));
    },
    onGap: (handler) => void gapHandlers.push(handler),
    isLive: () => live !== undefined,
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function call(handler: () => void | Promise<void>, log: Logger): Promise<void> {
  try {
    await handler();
  } catch (error) {
    log.error({ err: error }, "a handler of notifications failed");
  }
}
