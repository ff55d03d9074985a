/** One connection that waits for notifications, and comes back when it is lost. */
import { setTimeout as pause } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import type { Logger } from "pino";

type Handler = (payload: string) => void | Promise<void>;

export interface ListenerOptions {
  url: string;
  log: Logger;
  /** How often the connection is asked whether it still lives, in ms. Default 300. */
  heartbeatMs?: number;
}

/**
 * How long an answer vouches for the connection, in ms: a server that froze, or a network that lost the line without a
 * word, is told from a quiet one only by an answer that does not come.
 */
const vouchedMs = 700;

/** After this long without an answer the connection is given up for another. A busy server answers late. */
const answerMs = 2000;

export interface Listener {
  /** Resolves once the server notifies us of this channel; while it is away, at once, and the gap handlers run when it is back. */
  on(channel: string, handler: Handler): Promise<void>;
  /** Runs after each time that the connection was lost and regained: notifications may have been missed, so look for yourself. */
  onGap(handler: () => void | Promise<void>): void;
  /** Whether everything that was notified up to 700 ms ago has been heard: the connection answered since then. */
  isLive(): boolean;
  close(): Promise<void>;
}

/** Returns after the first try to connect. Should that fail, it goes on trying, and the first success counts as a gap. */
export async function openListener({ url, log, heartbeatMs = 300 }: ListenerOptions): Promise<Listener> {
  const handlers = new Map<string, Handler[]>();
  const gapHandlers: (() => void | Promise<void>)[] = [];
  const stop = new AbortController();
  let live: Client | undefined;
  /** When the last question was put that has been answered: what was notified before that came before the answer. */
  let vouchedAt = 0;

  let turn: Promise<unknown> = Promise.resolve();

  /** One question after the other: a connection takes one at a time. */
  function ask(client: Client, text: string): Promise<void> {
    const answered = turn.then(async () => {
      const at = performance.now();
      await client.query(text);
      vouchedAt = at;
    });
    turn = answered.catch(() => {});
    return answered;
  }

  /** Returns once the server notifies us of every channel. What came before may have been missed. */
  async function connect(): Promise<Client> {
    const client = new Client({
      connectionString: url,
      application_name: "postroom listener",
      connectionTimeoutMillis: 1000,
      query_timeout: answerMs,
      keepAlive: true,
    });
    client.on("error", () => {});
    client.on("notification", ({ channel, payload = "" }) => {
      for (const handler of handlers.get(channel) ?? []) void call(() => handler(payload), log);
    });
    try {
      await client.connect();
      for (let told = -1; told < handlers.size;) {
        told = handlers.size; // There may be more by the time that it has answered.
        await ask(client, [...handlers.keys()].map(listenTo).join(";"));
      }
      live = client;
      for (const handler of gapHandlers) void call(handler, log);
      return client;
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  /** Returns when the connection is lost or no longer needed. The heartbeat finds out about one that says nothing any more. */
  async function watch(client: Client): Promise<void> {
    const lost = new AbortController();
    client.once("end", () => lost.abort());
    const over = AbortSignal.any([lost.signal, stop.signal]);
    while (await pause(heartbeatMs, true, { signal: over }).catch(() => false)) {
      const answered = await ask(client, "SELECT").then(
        () => true,
        () => false,
      );
      if (!answered) break;
    }
    live = undefined;
    await client.end();
  }

  async function run(first: Client | undefined): Promise<void> {
    let client = first;
    let backoffMs = 50;
    for (;;) {
      if (client) await watch(client);
      if (stop.signal.aborted) return;
      if (client) {
        log.warn("the connection for notifications was lost");
        backoffMs = 50;
      }
      client = await connect().catch(() => undefined);
      if (client) {
        log.info("the connection for notifications is back");
      } else {
        await pause(backoffMs, undefined, { signal: stop.signal }).catch(() => {});
        backoffMs = Math.min(backoffMs * 2, 1000);
      }
    }
  }

  const first = await connect().catch((error: unknown) => {
    log.warn({ err: error }, "no connection for notifications yet");
    return undefined;
  });
  const running = run(first);

  return {
    async on(channel, handler) {
      handlers.set(channel, [...(handlers.get(channel) ?? []), handler]);
      // Lost meanwhile: the next connection listens to every channel.
      if (live) {
        await ask(live, listenTo(channel)).catch((error: unknown) => log.warn({ err: error }, "LISTEN failed"));
      }
    },
    onGap: (handler) => void gapHandlers.push(handler),
    isLive: () => live !== undefined && performance.now() - vouchedAt < vouchedMs,
    async close() {
      stop.abort();
      await running;
    },
  };
}

function listenTo(channel: string): string {
  return `LISTEN ${escapeIdentifier(channel)}`;
}

async function call(handler: () => void | Promise<void>, log: Logger): Promise<void> {
  try {
    await handler();
  } catch (error) {
    log.error({ err: error }, "a handler of notifications failed");
  }
}
