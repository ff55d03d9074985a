/** What LINE's answer to a message means. Pure: every rule has its case in the test. */
import type { LineAnswer } from "../../resources/line.ts";

export type LineOutcome =
  /** `requestId`: of the request that was accepted. `again`: by an earlier try with the same retry key. */
  | { kind: "accepted"; code: string; again: boolean; requestId: string | null }
  /** To be tried again later, with the same retry key. Nothing is known to have been accepted. */
  | { kind: "transient"; code: string; reason: string; retryAfterMs: number | null }
  /** May have been accepted. With its retry key the same request is safe to repeat for 24 hours; without one it is not. */
  | { kind: "unknown"; code: string; reason: string }
  /** The month's messages are used up. */
  | { kind: "quota"; code: string; reason: string }
  /**
   * Nobody got it, because of some of those that it was for: `indexes` of `to`, in order; none where LINE does not say
   * which, so that halves have to be tried. What is sent without them is another request: it needs a key of its own.
   */
  | { kind: "bad_ids"; code: string; reason: string; indexes: readonly number[] }
  /** The token, its rights or the address are wrong: so it would be for any other message. */
  | { kind: "misconfigured"; code: string; reason: string }
  | { kind: "permanent"; code: string; reason: string };

export interface Sent {
  /** How many it was for; 0 for a reply. */
  recipients: number;
  /** Whether it had a retry key. */
  keyed: boolean;
}

/** More than this is not believed. */
const longestRetryAfterMs = 60 * 60 * 1000;

/**
 * Classes an answer. `now` (milliseconds) is what an HTTP date in `Retry-After` is compared with.
 * https://developers.line.biz/en/reference/messaging-api/#status-codes and, for what may be repeated,
 * https://developers.line.biz/en/docs/messaging-api/retrying-api-request/
 */
export function lineOutcome(answer: LineAnswer, sent: Sent, now: number): LineOutcome {
  if (answer.kind === "failure") return ofFailure(answer);
  const { status, retryAfter } = answer;
  const code = `http_${status}`;
  if (status >= 200 && status < 300) return { kind: "accepted", code, again: false, requestId: answer.requestId };
  if (status === 409 && sent.keyed) {
    return { kind: "accepted", code, again: true, requestId: answer.acceptedRequestId };
  }
  const refusal = parse(answer.text);
  const because = (reason: string) => ({ code, reason: withWords(reason, refusal.message) });
  if (status === 429) {
    // The same status for two things, which only the words tell apart.
    if (/monthly limit|limit for additional messages/i.test(refusal.message)) {
      return { kind: "quota", ...because("The month's messages are used up") };
    }
    return { kind: "transient", ...because("LINE asks to slow down"), retryAfterMs: retryAfterMs(retryAfter, now) };
  }
  if (status === 408 || status >= 500) {
    // Of these LINE says that the message may have been delivered all the same; the retry key makes that harmless.
    if (!sent.keyed) return { kind: "unknown", ...because("LINE has a fault of its own") };
    return {
      kind: "transient",
      ...because("LINE has a fault of its own"),
      retryAfterMs: retryAfterMs(retryAfter, now),
    };
  }
  if (status === 401 || status === 403) {
    return { kind: "misconfigured", ...because("LINE does not take the channel's token, or grants it too little") };
  }
  if (status < 400) return { kind: "misconfigured", ...because("This is not the address of LINE's API") };
  const indexes = status === 400 ? badIndexes(refusal, sent.recipients) : undefined;
  if (indexes) return { kind: "bad_ids", ...because("LINE does not know a recipient"), indexes };
  return { kind: "permanent", ...because("LINE refused the message") };
}

/** A request that did not leave whole is none: no server acts on JSON whose end it has not seen. */
function ofFailure({ code, progress }: LineAnswer & { kind: "failure" }): LineOutcome {
  if (progress !== "sent") {
    return { kind: "transient", code, reason: "LINE could not be reached", retryAfterMs: null };
  }
  return { kind: "unknown", code, reason: "LINE was not heard of again after it had the request" };
}

interface Refusal {
  message: string;
  details: readonly { message: string; property: string }[];
}

/** `{message, details?: [{message?, property?}]}`; anything else has no words. */
function parse(text: string): Refusal {
  const none = { message: "", details: [] };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return none; // a proxy's page
  }
  if (!isRecord(body)) return none;
  const details = Array.isArray(body["details"]) ? body["details"].filter(isRecord) : [];
  return {
    message: wordsOf(body["message"]),
    details: details.map(({ message, property }) => ({ message: wordsOf(message), property: wordsOf(property) })),
  };
}

/**
 * Which of `to` LINE refuses: `[]` for "some", undefined when it is about something else. LINE names a property as
 * `to[1]` or, of JSON schemas, `/to/1`, in `details` or within the message: "The property, 'to[1]', in the request body
 * is invalid (line: -, column: -)". It says 'to' alone to a push whose one id is wrong
 * (https://github.com/line/line-platform-feedback/issues/32), and "Failed to send messages" where the id belongs to
 * nobody. What is wrong with the messages themselves comes first: it holds for everybody.
 */
function badIndexes({ message, details }: Refusal, recipients: number): readonly number[] | undefined {
  if (recipients === 0) return undefined;
  const properties = details.map(({ property }) => property).filter((property) => property !== "");
  if (properties.some((property) => !isOfTo(property))) return undefined;
  const named = [...properties, ...quoted(message), ...details.flatMap((detail) => quoted(detail.message))];
  if (named.some((property) => isOfTo(property))) {
    const indexes = new Set(named.flatMap((property) => indexOf(property, recipients)));
    if (indexes.size === 0 && recipients === 1) return [0];
    return [...indexes].toSorted((a, b) => a - b);
  }
  if (!/^Failed to send messages/i.test(message)) return undefined;
  return recipients === 1 ? [0] : [];
}

const isOfTo = (property: string) => /^[/$.]*to(?:$|[[./])/.test(property);

/** What stands between quotes: `'to[1]'` */
const quoted = (words: string) => [...words.matchAll(/'([^']{1,100})'/g)].map(([, property = ""]) => property);

/** At most one, and only of those who were asked for. */
function indexOf(property: string, recipients: number): number[] {
  const index = Number(/^[/$.]*to[[./](\d{1,4})\]?/.exec(property)?.[1] ?? -1);
  return index >= 0 && index < recipients ? [index] : [];
}

/** A reason with LINE's words, in which no user's id is legible: they end up where ids must not. */
function withWords(reason: string, words: string): string {
  if (words === "") return reason;
  return `${reason}: ${words.replaceAll(/[UCR][0-9a-f]{32}/g, "U…").slice(0, 200)}`;
}

/** `Retry-After` (RFC 9110, section 10.2.3): seconds or an HTTP date. LINE does not promise one. */
function retryAfterMs(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : null;
}

const wordsOf = (value: unknown) => (typeof value === "string" ? value : "");

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
