/**
 * Rate limits as sliding windows: in no window of a limit's length does more than the limit pass, wherever it begins.
 * Shared by all processes with KeyDB, else kept in this one. While KeyDB is away everything passes, and is counted.
 */
import { Counter, type Registry } from "prom-client";
import { memoryWindows } from "./rate-limits/memory.ts";
import { redisWindows } from "./rate-limits/redis.ts";
import type { Redis } from "./redis.ts";

export interface RateLimit {
  /** What is counted: `requests`, `mails`, … Keys of different names have nothing to do with each other. */
  readonly name: string;
  /** Points that pass in a window. */
  readonly points: number;
  /** Length of the window. */
  readonly seconds: number;
}

export interface Verdict {
  readonly passed: boolean;
  /** Whether the points were counted: false for a refusal, and where the limit could not be asked. */
  readonly counted: boolean;
  /** Points that are left. */
  readonly remaining: number;
  /** For a refusal: milliseconds until a point more is free. */
  readonly waitMs: number;
}

/** Where windows are kept. */
export interface Windows {
  /** Takes all of the points, or none. Undefined, at once or later: it cannot be known. */
  take(limit: RateLimit, key: string, points: number): Verdict | Promise<Verdict | undefined> | undefined;
  /** Takes points off the newest of what was counted; never below nothing. */
  giveBack(limit: RateLimit, key: string, points: number): void;
}

export interface RateLimits {
  /**
   * Takes all of the points, or none: what is refused does not count. Answers at once where windows are kept in
   * process, and within a quarter of a second from KeyDB; never throws.
   */
  take(limit: RateLimit, key: string, points?: number): Verdict | Promise<Verdict>;
  /** Gives back points that were counted a moment ago, because what they were taken for did not happen. */
  giveBack(limit: RateLimit, key: string, points?: number): void;
}

export interface RateLimitsOptions {
  /** Without it, windows are kept in process. */
  redis: Redis | undefined;
  registry: Registry;
  /** Milliseconds since 1970. Default: the clock of whoever keeps the windows. */
  now?: () => number;
}

export function openRateLimits({ redis, registry, now }: RateLimitsOptions): RateLimits {
  const windows = redis ? redisWindows(redis, now) : memoryWindows(now);
  const refused = new Counter({
    name: "rate_limits_refused_total",
    help: "Requests and mails that were refused by a rate limit",
    labelNames: ["limit"],
    registers: [registry],
  });
  const unenforced = new Counter({
    name: "rate_limits_unenforced_total",
    help: "Requests and mails that passed a rate limit because KeyDB could not be asked",
    labelNames: ["limit"],
    registers: [registry],
  });

  function judged(limit: RateLimit, verdict: Verdict | undefined): Verdict {
    if (!verdict) {
      unenforced.inc({ limit: limit.name });
      return { passed: true, counted: false, remaining: limit.points, waitMs: 0 };
    }
    if (!verdict.passed) refused.inc({ limit: limit.name });
    return verdict;
  }

  return {
    take(limit, key, points = 1) {
      const verdict = windows.take(limit, key, points);
      if (verdict instanceof Promise) return verdict.then((late) => judged(limit, late));
      return judged(limit, verdict);
    },
    giveBack: (limit, key, points = 1) => windows.giveBack(limit, key, points),
  };
}
