/** What Graph's answers say. Pure. */
import type { ProviderAnswer } from "../classify.ts";

export interface Reply {
  status: number;
  /** The header. */
  retryAfter: string | undefined;
  /** Undefined where it is no JSON. */
  body: unknown;
}

/** Codes that ask for patience whatever the status: https://learn.microsoft.com/graph/throttling, and Exchange's own. */
const busy: ReadonlySet<string> = new Set([
  "ApplicationThrottled",
  "ErrorServerBusy",
  "MailboxConcurrency",
  "TooManyRequests",
]);

/** The provider's answer in a reply. Its detail is Graph's code and message, without addresses and what it quotes. */
export function answerOf({ status, retryAfter, body }: Reply): ProviderAnswer & { kind: "response" } {
  const { code, message } = errorIn(body);
  const detail = code && message ? `${code}: ${message}` : code;
  return { kind: "response", status, retryAfter, detail, ...(busy.has(code) && { throttled: true }) };
}

/** `{error: {code, message}}`, as all of Graph. */
function errorIn(body: unknown): { code: string; message: string } {
  const nothing = { code: "", message: "" };
  if (typeof body !== "object" || body === null || !("error" in body)) return nothing;
  const { error } = body;
  if (typeof error !== "object" || error === null) return nothing;
  const { code, message } = error as { code?: unknown; message?: unknown };
  return {
    code: typeof code === "string" && /^[\w.]{1,100}$/.test(code) ? code : "",
    message: typeof message === "string" ? clean(message) : "",
  };
}

function clean(message: string): string {
  return message
    .replace(/'[^']*'|"[^"]*"|\S*@\S*/g, "…")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 200);
}
