/** What a provider's answer means for the mail. Pure: every rule has its case in the test. */
import { maskAddress } from "../mail/address.ts";

/** An answer with an HTTP status or an SMTP reply, or the failure to get one. */
export type ProviderAnswer =
  | {
      kind: "response";
      status: number;
      retryAfter?: string | undefined;
      /** In the provider's words: in the reason. */
      detail?: string | undefined;
      /** In place of `http_{status}`. */
      code?: string;
      /** The provider asks for patience, though with another status than 429. */
      throttled?: boolean;
      /** It answers a step before sending: nothing has been sent. */
      nothingSent?: boolean;
    }
  | {
      /** What an SMTP relay replied (RFC 5321, section 4.2) to the step that decided. */
      kind: "smtp";
      reply: number;
      step: SmtpStep;
      /** The text of the reply. */
      detail?: string | undefined;
      /** For a message that was accepted: the replies to those recipients that were not. */
      refused?: readonly number[];
    }
  /** A limit of ours, kept before the provider was asked: nothing has been sent. `code` names the limit. */
  | { kind: "held"; code: string; delayMs: number; reason: string }
  | {
      kind: "failure";
      /** Node's or the client library's error code: `ECONNREFUSED`, `ETIMEDOUT`, … */
      code: string;
      /** Whether it came before the mail can have been written: while connecting, or in a step before sending. */
      connecting: boolean;
      /** The reason, where more is known than the code says. */
      detail?: string;
    };

/** `message` is everything from DATA on; RCPT and what is before it are `envelope`. */
export type SmtpStep = "connection" | "login" | "envelope" | "message";

export interface Verdict {
  kind: "accepted" | "transient" | "throttled" | "permanent" | "unknown";
  /** Stable name for the timeline: `http_202`, `smtp_550`, `ECONNREFUSED`. */
  code: string;
  /** One sentence: what happened, and why it is classed so. */
  reason: string;
  /** For `throttled`: milliseconds that the provider asks to wait. */
  retryAfterMs?: number;
  /** For `accepted`: what is to be told all the same. */
  remark?: string;
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
    const { code, detail } = answer;
    if (answer.connecting || neverWritten.has(code)) {
      const reason = detail ?? "No connection was made, so the provider has not seen the mail";
      return { kind: "transient", code, reason };
    }
    const reason = detail ?? "The connection failed after the request was begun; it may have arrived";
    return { kind: "unknown", code, reason };
  }
  if (answer.kind === "smtp") return classifySmtp(answer);
  const { status, detail } = answer;
  const code = answer.code ?? `http_${status}`;
  const because = (reason: string) => withWords(reason, detail);
  if (status >= 200 && status < 300) return { kind: "accepted", code, reason: "The provider accepted the mail" };
  // RFC 9110, section 15.6.4: with Retry-After, 503 is an overload that the provider expects to end by then.
  if (status === 429 || answer.throttled || (status === 503 && answer.retryAfter !== undefined)) {
    return {
      kind: "throttled",
      code,
      reason: because("The provider asks to slow down"),
      retryAfterMs: retryAfterMs(answer.retryAfter, now),
    };
  }
  // RFC 9110, section 15.6.5: a gateway gave up waiting; what is behind it may have taken the mail.
  if (status === 504 && !answer.nothingSent)
    return { kind: "unknown", code, reason: because("A gateway timed out; the mail may have arrived") };
  if (status === 408) return { kind: "transient", code, reason: because("The provider timed out reading the request") };
  if (status >= 500) return { kind: "transient", code, reason: because("The provider has a fault of its own") };
  return { kind: "permanent", code, reason: because("The provider refused the mail") };
}

const refusedSteps: Readonly<Record<SmtpStep, string>> = {
  connection: "The relay does not serve us",
  login: "The relay refuses the sign-in",
  envelope: "The relay refuses the sender or the recipients",
  message: "The relay refuses the message",
};

/**
 * RFC 5321, section 4.2.1: 4yz says that the same may be taken later (421 closing, 450 mailbox busy or greylisted, 451
 * fault or policy, 452 full, 454 sign-in not possible now), 5yz that it is not taken like this. With either of them the
 * relay has not taken the message, at whichever step it comes.
 */
function classifySmtp({ reply, step, detail, refused = [] }: ProviderAnswer & { kind: "smtp" }): Verdict {
  const code = `smtp_${reply}`;
  if (reply < 400) {
    const remark = refused.length > 0 && { remark: `Not for all: ${refusals(refused)}` };
    return { kind: "accepted", code, reason: "The relay accepted the mail", ...remark };
  }
  if (reply < 500) return { kind: "transient", code, reason: withWords(`${refusedSteps[step]} for now`, detail) };
  return { kind: "permanent", code, reason: withWords(refusedSteps[step], detail) };
}

/** `2 recipients were refused (smtp_550, smtp_450)` */
function refusals(replies: readonly number[]): string {
  const codes = [...new Set(replies)].map((reply) => `smtp_${reply}`).join(", ");
  return `${replies.length} ${replies.length === 1 ? "recipient was" : "recipients were"} refused (${codes})`;
}

/** A reason with the provider's words, in which no address is legible: they end up where addresses must not. */
function withWords(reason: string, words: string | undefined): string {
  if (!words) return reason;
  return `${reason}: ${words.replaceAll(/[^\s<>()[\]"',;:][^\s<>()[\]",;:]*@[^\s<>()[\]"',;:]+/g, maskAddress)}`;
}

/** `Retry-After` (RFC 9110, section 10.2.3): seconds or an HTTP date. */
function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return defaultRetryAfterMs;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  if (!Number.isFinite(ms)) return defaultRetryAfterMs;
  return Math.min(Math.max(ms, 1000), longestRetryAfterMs);
}
