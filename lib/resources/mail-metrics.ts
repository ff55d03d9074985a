/** What Prometheus is told of mail, beside what the runtime tells of functions. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { openMailboxLabels } from "./mailbox-labels.ts";
import type { Weights } from "./weights.ts";

/** What may follow an attempt. */
const events = ["sent", "retry", "throttled", "failed", "outcome_unknown"] as const;

/** What a provider made of an attempt; `held`: a limit of ours kept it from being asked. */
export const results = ["accepted", "throttled", "held", "failed", "transient", "unknown"] as const;
export type AttemptResult = (typeof results)[number];

export interface Attempted {
  provider: string;
  /** Whose limits it counts for at the provider, masked; empty where there is no such thing. */
  mailbox: string;
  result: AttemptResult;
  /** What follows. */
  event: (typeof events)[number];
  durationMs: number;
}

export interface MailMetrics {
  /** Counts an attempt at a mail. */
  attempted(attempt: Attempted): void;
  /** Counts mails that were taken back from workers that ended: the outcome of their attempts cannot be known. */
  released(mails: number): void;
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
  const released = new Counter({
    name: "mail_leases_expired_total",
    help: "Mails taken back from workers that ended in the middle of an attempt",
    registers,
  });
  const weight: Gauge = new Gauge({
    name: "mail_weight_bytes",
    help: "Bytes of attachments, and twice those of long texts, of the heavy mails that are being delivered",
    registers,
    collect: () => weight.set(weights.taken),
  });
  const providers = new Set<string>();
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
      if (!providers.has(provider)) {
        providers.add(provider);
        // A counter that begins with 1 has not grown, in Prometheus's eyes.
        for (const outcome of events) attempts.inc({ provider, outcome }, 0);
      }
      attempts.inc({ provider, outcome: event });
      const labels = { provider, mailbox: labelOf(provider, mailbox) };
      answers.inc({ ...labels, result });
      durations.observe(labels, durationMs / 1000);
    },
    released: (mails) => released.inc(mails),
  };
}
