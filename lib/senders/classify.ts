/** What a provider's answer means for the mail. Pure: every rule has its case in the test. */

/** An answer with an HTTP status, or the failure to get one. */
export type ProviderAnswer =
  | { kind: "response"; status: number; retryAfter?: string | undefined; detail?: string | undefined }
  /** A limit of ours, kept before the provider was asked: nothing has been sent. `code` names the limit. */
  | { kind: "held"; code: string; delayMs: number; reason: string }
  | {
      kind: "failure";
      /** Node's or the client library's error code: `ECONNREFUSED`, `ETIMEDOUT`, … */
      code: string;
      /** Whether the failure came while connecting, so that the request cannot have been written. */
      connecting: boolean;
    };

export interface Verdict {
  kind: "accepted" | "transient" | "throttled" | "permanent" | "unknown";
  /** Stable name for the timeline: `http_202`, `ECONNREFUSED`. */
  code: string;
  /** One sentence: what happened, and why it is classed so. */
  reason: string;
  /** For `throttled`: milliseconds that the provider asks to wait. */
  retryAfterMs?: number;
}

/** What is waited when a provider throttles without saying how long. */
const defaultRetryAfterMs = 10_000;
/** More than this is not believed. */
const longestRetryAfterMs = 60 * 60 * 1000;

/** Failures that happen before a request is written, whatever the library says of them. */
const neverWritten: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_HAS_EXPIRED",
]);

/** Classes an answer. `now` (milliseconds) is what an HTTP date in `Retry-After` is compared with. */
export function classify(answer: ProviderAnswer, now: number): Verdict {
  if (answer.kind === "held") {
    return { kind: "throttled", code: answer.code, reason: answer.reason, retryAfterMs: answer.delayMs };
  }
  if (answer.kind === "failure") {
    const { code } = answer;
    if (answer.connecting || neverWritten.has(code)) {
      return { kind: "transient", code, reason: "No connection was made, so the provider has not seen the mail" };
    }
    return { kind: "unknown", code, reason: "The connection failed after the request was begun; it may have arrived" };
  }
  const { status, detail } = answer;
  const code = `http_${status}`;
  const because = (reason: string) => (detail ? `${reason}: ${detail}` : reason);
  if (status >= 200 && status < 300) return { kind: "accepted", code, reason: "The provider accepted the mail" };
  if (status === 429) {
    return {
      kind: "throttled",
      code,
      reason: "The provider asks to slow down",
      retryAfterMs: retryAfterMs(answer.retryAfter, now),
    };
  }
  // RFC 9110, section 15.6.5: a gateway gave up waiting; what is behind it may have taken the mail.
  if (status === 504)
    return { kind: "unknown", code, reason: because("A gateway timed out; the mail may have arrived") };
  if (status === 408) return { kind: "transient", code, reason: because("The provider timed out reading the request") };
  if (status >= 500) return { kind: "transient", code, reason: because("The provider has a fault of its own") };
  return { kind: "permanent", code, reason: because("The provider refused the mail") };
}

/** `Retry-After` (RFC 9110, section 10.2.3): seconds or an HTTP date. */
function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return defaultRetryAfterMs;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  if (!Number.isFinite(ms)) return defaultRetryAfterMs;
  return Math.min(Math.max(ms, 1000), longestRetryAfterMs);
}
