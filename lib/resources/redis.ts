/** The process's one connection to KeyDB or Redis: for the cache and the limits. It may be away at any time. */
import { createHash } from "node:crypto";
import { createClient } from "redis";
import type { Logger } from "../../runtime/context.ts";

/** A Lua script, sent by its hash once the server knows it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function defineScript(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

export interface Redis {
  readonly client: ReturnType<typeof connect>;
  /** Whether a command can be sent now. */
  isReady(): boolean;
  /** Runs a script. On a server that has not seen it yet, that takes a second round trip. */
  run(script: Script, keys: string[], args: string[]): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Connects in the background and keeps trying, so that a server that is away never keeps anything from starting.
 * Commands of one turn of the event loop travel together. Without a connection they fail at once.
 */
export function openRedis({ url, log }: { url: string; log: Logger }): Redis {
  const client = connect(url);
  let away = false;
  client.on("error", (error: unknown) => {
    if (!away) log.warn({ err: error }, "KeyDB is away: answers come from PostgreSQL, and rate limits do not hold");
    away = true;
  });
  client.on("ready", () => {
    if (away) log.info("KeyDB is back");
    away = false;
  });
  client.connect().catch(() => {}); // Told by the error event, and tried again.
  return {
    client,
    isReady: () => client.isReady,
    async run({ text, sha }, keys, args) {
      const options = { keys, arguments: args };
      try {
        return await client.evalSha(sha, options);
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("NOSCRIPT")) return client.eval(text, options);
        throw error;
      }
    },
    async close() {
      client.destroy();
    },
  };
}

function connect(url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    // The client's own time limit makes a timer for every command, which costs more than the command. A server that says
    // nothing is noticed by the connection instead: it pings often enough never to be silent for so long.
    commandOptions: { timeout: 0 },
    pingInterval: 1000,
    socket: {
      connectTimeout: 1000,
      socketTimeout: 3000,
      reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 1000),
    },
  });
}

/** The answer, or undefined when it does not come within `ms`. */
export function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
