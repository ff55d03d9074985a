/** A cache that may go away at any time: reads then miss, writes are dropped, nobody waits. */
import { defineScript, within, type Redis } from "./redis.ts";

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
};

/** A read slower than this counts as a miss, in milliseconds: PostgreSQL is quicker than waiting on. */
const readLimitMs = 250;

/** Sets KEYS[1] to ARGV[1] unless what is there has a higher version than ARGV[2]; expires after ARGV[3] seconds. */
const putIfNewer = defineScript(`
  local current = redis.call('GET', KEYS[1])
  if current and tonumber(string.match(current, '^%d+') or -1) > tonumber(ARGV[2]) then return 0 end
  redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'EX', ARGV[3])
  return 1`);

/** In KeyDB or Redis. */
export function openRedisCache(redis: Redis): Cache {
  const { client } = redis;
  return {
    driver: "redis",
    async get<T>(key: string) {
      if (!redis.isReady()) return undefined;
      const text = await within(readLimitMs, client.get(key)).catch(() => undefined);
      return typeof text === "string" ? parse<T>(text) : undefined;
    },
    put(key, value, version, ttlSeconds) {
      if (!redis.isReady()) return;
      // A write that is lost leaves an older state until its next change; the database stays right.
      redis.run(putIfNewer, [key], [JSON.stringify(value), String(version), String(ttlSeconds)]).catch(() => {});
    },
    drop(key) {
      if (redis.isReady()) client.del(key).catch(() => {});
    },
    async ping() {
      if (!redis.isReady()) return false;
      return within(1000, client.ping()).then(
        (answer) => answer !== undefined,
        () => false,
      );
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
