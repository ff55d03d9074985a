/** Windows in KeyDB or Redis, shared by all processes. */
import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { defineScript, within, type Redis } from "../redis.ts";
import type { RateLimit, Verdict, Windows } from "../rate-limits.ts";
import { slicesPerWindow } from "./slices.ts";

/**
 * In place of rate-limiter-flexible's own script, whose windows are fixed: at the border of two, twice the limit passes.
 * KEYS[1] is a hash from number of slice to points; ARGV are points (below 0 to give back), seconds, the limit, and, for
 * tests, the time in milliseconds. Returns what is counted, with the points asked for when these are refused; and for a
 * refusal the milliseconds until one more point would fit, were the rest of the limit taken now.
 */
const slidingWindow = defineScript(`
  local points, span, limit, now = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000, tonumber(ARGV[3]), tonumber(ARGV[5])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local length = span / ${slicesPerWindow}
  local newest = math.floor(now / length)
  local held = redis.call('HGETALL', KEYS[1])
  local counted, slices = 0, {}
  for i = 1, #held, 2 do
    if tonumber(held[i]) < newest - ${slicesPerWindow} then
      redis.call('HDEL', KEYS[1], held[i])
    else
      counted = counted + held[i + 1]
      slices[#slices + 1] = { tonumber(held[i]), tonumber(held[i + 1]) }
    end
  end
  local function oldestFirst() table.sort(slices, function(a, b) return a[1] < b[1] end) end

  if points < 0 then
    oldestFirst()
    for i = #slices, 1, -1 do
      if points == 0 then break end
      local back = math.min(slices[i][2], -points)
      if redis.call('HINCRBY', KEYS[1], slices[i][1], -back) <= 0 then redis.call('HDEL', KEYS[1], slices[i][1]) end
      counted, points = counted - back, points + back
    end
    return { counted, 0 }
  end

  if counted + points > limit then
    oldestFirst()
    local excess, free = math.max(counted - limit, 0), newest
    for i = 1, #slices do
      free, excess = slices[i][1], excess - slices[i][2]
      if excess < 0 then break end
    end
    return { counted + points, math.ceil((free + ${slicesPerWindow + 1}) * length - now) }
  end

  redis.call('HINCRBY', KEYS[1], newest, points)
  redis.call('PEXPIRE', KEYS[1], math.ceil(span + length))
  return { counted + points, 0 }`);

/** A slower answer counts as none, in milliseconds. */
const patienceMs = 250;

export function redisWindows(redis: Redis, now?: () => number): Windows {
  const limiters = new Map<string, RateLimiterRedis>();
  /** What the limiter sees of the connection: its script goes by its hash, and not whole with each call. */
  const storeClient = {
    eval: (_script: string, { keys, arguments: args }: { keys: string[]; arguments: string[] }) =>
      redis.run(slidingWindow, keys, now ? [...args, String(now())] : args),
  };

  function limiterOf({ name, points, seconds }: RateLimit): RateLimiterRedis {
    const id = `${name}:${points}:${seconds}`;
    let limiter = limiters.get(id);
    if (!limiter) {
      limiter = new RateLimiterRedis({
        storeClient,
        useRedisPackage: true,
        customIncrTtlLuaScript: slidingWindow.text,
        keyPrefix: `limit:${name}`,
        points,
        duration: seconds,
      });
      limiters.set(id, limiter);
    }
    return limiter;
  }

  return {
    take(limit, key, points) {
      if (!redis.isReady()) return undefined;
      const asked = limiterOf(limit)
        .consume(key, points)
        .then(
          ({ remainingPoints }): Verdict => ({ passed: true, counted: true, remaining: remainingPoints, waitMs: 0 }),
          (refusal: unknown): Verdict | undefined => {
            // Anything else is what went wrong on the way.
            if (!(refusal instanceof RateLimiterRes)) return undefined;
            const remaining = Math.max(limit.points - (refusal.consumedPoints - points), 0);
            return { passed: false, counted: false, remaining, waitMs: refusal.msBeforeNext };
          },
        );
      return within(patienceMs, asked);
    },
    giveBack(limit, key, points) {
      if (!redis.isReady()) return;
      // Should it be lost, the points come free with their window.
      limiterOf(limit)
        .reward(key, points)
        .catch(() => {});
    },
  };
}
