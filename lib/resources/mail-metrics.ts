/** What Prometheus is told of mail, beside what the runtime tells of functions. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Weights } from "./weights.ts";

export interface MailMetrics {
  /** Counts an attempt by its provider and what followed: `sent`, `retry`, `throttled`, `failed`, `outcome_unknown`. */
  attempted(provider: string, event: string): void;
}

export function openMailMetrics(registry: Registry, weights: Weights): MailMetrics {
  const attempts = new Counter({
    name: "mail_attempts_total",
    help: "Attempts at mails, by provider and what followed",
    labelNames: ["provider", "outcome"],
    registers: [registry],
  });
  const weight = new Gauge({
    name: "mail_weight_bytes",
    help: "Bytes of attachments of the heavy mails that are being delivered",
    registers: [],
    collect() {
      this.set(weights.taken);
    },
  });
  registry.registerMetric(weight);
  return { attempted: (provider, outcome) => attempts.inc({ provider, outcome }) };
}
