/** What Prometheus is told of mail, beside what the runtime tells of functions. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { openMailboxLabels } from "./mailbox-labels.ts";
import type { Weights } from "./weights.ts";

/** What a provider made of an attempt; `held`: a limit of ours kept it from being asked. */
export const results = ["accepted", "throttled", "held", "failed", "transient", "unknown"] as const;
export type AttemptResult = (typeof results)[number];

export interface Attempted {
  provider: string;
  /** Whose limits it counts for at the provider, masked; empty where there is no such thing. */
  mailbox: string;
  result: AttemptResult;
  /** What follows: `sent`, `retry`, `throttled`, `failed`, `outcome_unknown`. */
  event: string;
  durationMs: number;
}

export interface MailMetrics {
  /** Counts an attempt at a mail. */
  attempted(attempt: Attempted): void;
}

/** Mailboxes with numbers of their own, at each provider; the others share theirs. */
const mostMailboxes = 20;
const buckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45];

export function openMailMetrics(registry: Registry, weights: Weights): MailMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: "mail_attempts_total",
    help: "Attempts at mails, by provider and what followed",
    labelNames: ["provider", "outcome"],
    registers,
  });
  const answers = new Counter({
    name: "provider_attempts_total",
    help: "Attempts at mails, by provider, its mailbox and what the provider made of them",
    labelNames: ["provider", "mailbox", "result"],
    registers,
  });
  const durations = new Histogram({
    name: "provider_attempt_duration_seconds",
    help: "Duration of attempts at mails, by provider and mailbox",
    labelNames: ["provider", "mailbox"],
    buckets,
    registers,
  });
  const weight: Gauge = new Gauge({
    name: "mail_weight_bytes",
    help: "Bytes of attachments of the heavy mails that are being delivered",
    registers,
    collect: () => weight.set(weights.taken),
  });
  const mailboxes = new Map<string, ReturnType<typeof openMailboxLabels>>();

  function labelOf(provider: string, mailbox: string): string {
    if (mailbox === "") return mailbox;
    let labels = mailboxes.get(provider);
    if (!labels) {
      const gone = (old: string) => {
        for (const result of results) answers.remove({ provider, mailbox: old, result });
        durations.remove({ provider, mailbox: old });
      };
      mailboxes.set(provider, (labels = openMailboxLabels({ max: mostMailboxes, gone })));
    }
    return labels.labelOf(mailbox);
  }

  return {
    attempted({ provider, mailbox, result, event, durationMs }) {
      attempts.inc({ provider, outcome: event });
      const labels = { provider, mailbox: labelOf(provider, mailbox) };
      answers.inc({ ...labels, result });
      durations.observe(labels, durationMs / 1000);
    },
  };
}
