/**
 * How fast LINE may be called: a second's requests, for all processes together with KeyDB, else for this one. It only
 * slows down. https://developers.line.biz/en/reference/messaging-api/#rate-limits
 */
import { setTimeout as pause } from "node:timers/promises";
import { memoryWindows } from "./rate-limits/memory.ts";
import { redisWindows } from "./rate-limits/redis.ts";
import type { RateLimit, Verdict } from "./rate-limits.ts";
import type { Redis } from "./redis.ts";

export interface LinePace {
  /** Resolves when so many requests may be made; false when the signal aborts before. */
  take(kind: "multicast" | "push", requests: number, signal: AbortSignal): Promise<boolean>;
}

export interface LinePaceOptions {
  /** A second; 0: no limit. */
  multicastPerSecond: number;
  pushPerSecond: number;
  redis: Redis | undefined;
}

/** The least that is waited before asking again, in milliseconds: there are many who ask. */
const leastWaitMs = 20;

export function openLinePace({ multicastPerSecond, pushPerSecond, redis }: LinePaceOptions): LinePace {
  const own = memoryWindows();
  const shared = redis && redisWindows(redis);
  const limits: Record<"multicast" | "push", RateLimit> = {
    multicast: { name: "line_multicast", points: multicastPerSecond, seconds: 1 },
    push: { name: "line_push", points: pushPerSecond, seconds: 1 },
  };

  /** With KeyDB away, each process keeps the limit for itself. */
  async function ask(limit: RateLimit, points: number): Promise<Verdict | undefined> {
    return (await shared?.take(limit, "channel", points)) ?? (await own.take(limit, "channel", points));
  }

  return {
    async take(kind, requests, signal) {
      const limit = limits[kind];
      if (limit.points === 0) return !signal.aborted;
      const points = Math.min(requests, limit.points);
      while (!signal.aborted) {
        const verdict = await ask(limit, points);
        if (!verdict || verdict.passed) return true;
        const waitMs = Math.max(verdict.waitMs, leastWaitMs);
        await pause(waitMs * (1 + Math.random() / 4), undefined, { signal }).catch(() => {});
      }
      return false;
    },
  };
}
