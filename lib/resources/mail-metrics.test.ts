import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMailMetrics } from "./mail-metrics.ts";
import { openMailboxLabels } from "./mailbox-labels.ts";
import { openWeights } from "./weights.ts";

const test = suite("metrics of providers");

test("an attempt is counted by provider, mailbox and answer, with its duration", async () => {
  const registry = new Registry();
  const metrics = openMailMetrics(registry, openWeights(1));
  const attempt = { provider: "graph", mailbox: "no***@corp.example", event: "sent" as const, durationMs: 300 };
  metrics.attempted({ ...attempt, result: "accepted" });
  const text = await registry.metrics();
  const labels = `provider="graph",mailbox="no***@corp.example"`;
  assert.match(text, `provider_attempts_total{${labels},result="accepted"} 1`);
  assert.match(text, `provider_attempt_duration_seconds_sum{${labels}} 0.3`);
  assert.match(text, `mail_attempts_total{provider="graph",outcome="sent"} 1`);
});

test("a thousand mailboxes have twenty labels and one for the rest", async () => {
  const registry = new Registry();
  const metrics = openMailMetrics(registry, openWeights(1));
  for (let i = 0; i < 1000; i++) {
    metrics.attempted({
      provider: "graph",
      mailbox: `m${i}***@corp.example`,
      result: "accepted",
      event: "sent",
      durationMs: 1,
    });
  }
  const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith("provider_attempts_total{"));
  assert.is(lines.length, 21);
  assert.match(lines.join("\n"), `provider_attempts_total{provider="graph",mailbox="other",result="accepted"} 980`);
});

test("a mailbox that has been quiet for an hour makes room for one that sends", () => {
  let now = 0;
  const gone: string[] = [];
  const labels = openMailboxLabels({ max: 2, gone: (mailbox) => void gone.push(mailbox), now: () => now });
  assert.equal([labels.labelOf("a"), labels.labelOf("b"), labels.labelOf("c")], ["a", "b", "other"]);
  now = 3_000_000;
  assert.is(labels.labelOf("b"), "b");
  now = 3_700_000;
  assert.equal([labels.labelOf("c"), labels.labelOf("a"), labels.labelOf("b")], ["c", "other", "b"]);
  assert.equal(gone, ["a"]);
});

test.run();
