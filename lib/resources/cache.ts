/** A cache that may go away at any time: reads then miss, writes are dropped, nobody waits. */
import { createClient, defineScript } from "redis";
import type { Logger } from "../../runtime/context.ts";

export interface Cache {
  /** Shown by the health page. */
  readonly driver: string;
  /** The value, or undefined: unknown, expired, or the cache is away. */
  get<T>(key: string): Promise<T | undefined>;
  /** Keeps a JSON value for `ttlSeconds`, unless one of a higher version is there. Returns before it is written. */
  put(key: string, value: object, version: number, ttlSeconds: number): void;
  drop(key: string): void;
  /** Whether it answers. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * For a system without KeyDB: everything is a miss. Keeping values in process instead would be wrong as soon as a second
 * process works on the same database, and PostgreSQL on the same machine answers in a fraction of a millisecond.
 */
export const noCache: Cache = {
  driver: "none",
  get: async () => undefined,
  put() {},
  drop() {},
  ping: async () => true,
  close: async () => {},
};

/** A read slower than this counts as a miss, in milliseconds: PostgreSQL is quicker than waiting on. */
const readLimitMs = 250;

/** Sets KEYS[1] to ARGV[1] unless what is there has a higher version than ARGV[2]; expires after ARGV[3] seconds. */
const putIfNewer = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: `
    local current = redis.call('GET', KEYS[1])
    if current and tonumber(string.match(current, '^%d+') or -1) > tonumber(ARGV[2]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'EX', ARGV[3])
    return 1`,
  parseCommand(parser, key: string, value: string, version: number, ttlSeconds: number) {
    parser.pushKey(key);
    parser.push(value, String(version), String(ttlSeconds));
  },
  transformReply: (reply: number) => reply,
});

/**
 * KeyDB or Redis. Connects in the background and keeps trying, so that a cache that is away never keeps anything from
 * starting. Commands of one turn of the event loop travel together.
 */
export function openRedisCache({ url, log }: { url: string; log: Logger }): Cache {
  const client = createClient({
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
    scripts: { putIfNewer },
  });
  let away = false;
  client.on("error", (error: unknown) => {
    if (!away) log.warn({ err: error }, "the cache is away: answers come from PostgreSQL");
    away = true;
  });
  client.on("ready", () => {
    if (away) log.info("the cache is back");
    away = false;
  });
  client.connect().catch(() => {}); // Told by the error event, and tried again.

  return {
    driver: "redis",
    async get<T>(key: string) {
      if (!client.isReady) return undefined;
      const text = await within(readLimitMs, client.get(key)).catch(() => undefined);
      return typeof text === "string" ? parse<T>(text) : undefined;
    },
    put(key, value, version, ttlSeconds) {
      if (!client.isReady) return;
      // A write that is lost leaves an older state until its next change; the database stays right.
      client.putIfNewer(key, JSON.stringify(value), version, ttlSeconds).catch(() => {});
    },
    drop(key) {
      if (client.isReady) client.del(key).catch(() => {});
    },
    async ping() {
      if (!client.isReady) return false;
      return within(1000, client.ping()).then(
        (answer) => answer !== undefined,
        () => false,
      );
    },
    async close() {
      client.destroy();
    },
  };
}

/** What `putIfNewer` wrote; a miss for what something else wrote there. */
function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text.slice(text.indexOf(" ") + 1)) as T;
  } catch {
    return undefined;
  }
}

function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
