/** What follows an attempt: sent, tried again, or given up. Pure, so that every case has its test. */
import type { ProviderAnswer, Verdict } from "../senders/classify.ts";
import type { MailStatus } from "./mail.ts";

export interface Rules {
  /** Milliseconds before each retry; its length is the number of retries. */
  ladderMs: readonly number[];
  unknownOutcome: "retry" | "hold";
}

export interface Next {
  status: Exclude<MailStatus, "processing" | "cancelled">;
  retryCount: number;
  /** Type of the timeline's entry. */
  event: "sent" | "retry" | "throttled" | "failed" | "outcome_unknown";
  /** Milliseconds until the next attempt. */
  delayMs: number;
  /** Whether the retry ladder brings the next attempt; without it the sweep does, when it is due. */
  byLadder: boolean;
}

/** Decides what follows the verdict on an attempt of a mail that has been retried `retryCount` times so far. */
export function decide(verdict: Verdict, retryCount: number, rules: Rules): Next {
  const final = (status: "sent" | "failed", event: Next["event"]): Next => {
    return { status, retryCount, event, delayMs: 0, byLadder: false };
  };
  switch (verdict.kind) {
    case "accepted":
      return final("sent", "sent");
    case "permanent":
      return final("failed", "failed");
    case "throttled": {
      const delayMs = verdict.retryAfterMs ?? 0;
      return { status: "queued", retryCount, event: "throttled", delayMs, byLadder: false };
    }
    case "unknown":
      if (rules.unknownOutcome === "hold") return final("failed", "outcome_unknown");
      return retry("outcome_unknown", retryCount, rules);
    case "transient":
      return retry("retry", retryCount, rules);
  }
}

function retry(event: "retry" | "outcome_unknown", retryCount: number, { ladderMs }: Rules): Next {
  const delayMs = ladderMs[retryCount];
  if (delayMs !== undefined) return { status: "queued", retryCount: retryCount + 1, event, delayMs, byLadder: true };
  const last = event === "retry" ? "failed" : event;
  return { status: "failed", retryCount, event: last, delayMs: 0, byLadder: false };
}

/**
 * Whether an answer says that its provider has too much to do. A limit of ours does not: the provider is well, and
 * other mailboxes may have all workers. Nor does a refusal of the mail itself.
 */
export function asksForEase(answer: ProviderAnswer, { kind }: Verdict): boolean {
  return answer.kind !== "held" && (kind === "throttled" || kind === "transient" || kind === "unknown");
}
