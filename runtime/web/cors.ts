/** Lets pages of other origins call functions (Fetch standard, section 3.3). Tokens come in a header, so no cookies are allowed. */
import { Answer } from "./answer.ts";
import type { Incoming } from "./incoming.ts";

/** Makes the answer ready for the page that asked: with what it may know of it, if it may. */
export type Cors = (incoming: Incoming, answer: Answer) => Answer;

/** Headers beyond the few that a page may always read. */
const exposed = [
  "Content-Disposition",
  "ETag",
  "Idempotency-Replayed",
  "Location",
  "RateLimit-Limit",
  "RateLimit-Policy",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "Retry-After",
  "X-Request-Id",
].join(", ");
const asked = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Range, X-Request-Id";

/** How long a browser need not ask again, in seconds. */
const maxAge = "600";

/** Undefined without origins: then nothing is added to any answer. */
export function corsOf(origins: readonly string[]): Cors | undefined {
  if (origins.length === 0) return undefined;
  const allowed = new Set(origins);
  return (incoming, answer) => {
    const headers: Record<string, string> = { ...answer.headers };
    // Also where there is no origin: a cache must not give one's answer to another.
    headers["vary"] = headers["vary"] ? `${headers["vary"]}, Origin` : "Origin";
    const origin = incoming.header("origin");
    if (origin !== undefined && allowed.has(origin)) {
      headers["access-control-allow-origin"] = origin;
      headers["access-control-expose-headers"] = exposed;
      const isPreflight = incoming.method === "OPTIONS" && incoming.header("access-control-request-method");
      if (isPreflight && answer.headers["allow"] !== undefined) {
        headers["access-control-allow-methods"] = answer.headers["allow"];
        headers["access-control-allow-headers"] = asked;
        headers["access-control-max-age"] = maxAge;
      }
    }
    return new Answer(answer.status, headers, answer.body);
  };
}
