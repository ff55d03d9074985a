/** How a refusal by a rate limit is told. */
import { Problem, type Detail } from "../runtime/problem.ts";
import type { RateLimit, Verdict } from "./resources/rate-limits.ts";

export const rateLimited = Problem.kind(429, "rate_limited", "Too much within the time; try again later");

export interface Refusal {
  limit: RateLimit;
  verdict: Pick<Verdict, "remaining" | "waitMs">;
  /** Which limit it was, for a person. */
  message: string;
  details?: readonly Detail[];
}

/** With the headers that clients slow down by: `Retry-After`, and those of draft-ietf-httpapi-ratelimit-headers-07. */
export function refusedBy({ limit, verdict, message, details }: Refusal): Problem {
  const seconds = String(Math.max(1, Math.ceil(verdict.waitMs / 1000)));
  return rateLimited({
    message,
    ...(details && { details }),
    headers: {
      "retry-after": seconds,
      "ratelimit-limit": String(limit.points),
      "ratelimit-remaining": String(verdict.remaining),
      "ratelimit-reset": seconds,
      "ratelimit-policy": `${limit.points};w=${limit.seconds}`,
    },
  });
}
