import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CallStats, Metrics } from "./metrics.ts";

const test = suite("metrics of functions");

const running = (current: string, trial?: string, ...retired: string[]) => ({
  current: { loaded: { hash: current } },
  trial: trial === undefined ? undefined : { loaded: { hash: trial } },
  retired: retired.map((hash) => ({ loaded: { hash } })),
});

test("calls are counted for the function, and apart for each version", async () => {
  const metrics = new Metrics();
  const stats = metrics.of("mail/send", "http");
  stats.running = running("bbb", "ccc", "aaa");
  stats.observe(200, 3, "aaa");
  stats.observe(200, 3, "bbb");
  stats.observe(500, 3, "ccc");
  stats.failed("internal_error");
  const text = await metrics.registry.metrics();
  assert.match(text, `function_calls_total{function="mail/send",trigger="http",outcome="200"} 2`);
  assert.match(text, `function_version_calls_total{function="mail/send",trigger="http",version="ccc",outcome="500"} 1`);
  assert.match(text, `function_errors_total{function="mail/send",trigger="http",code="internal_error"} 1`);
  for (const [version, state] of [
    ["aaa", "draining"],
    ["bbb", "current"],
    ["ccc", "canary"],
  ]) {
    assert.match(
      text,
      `function_version_info{function="mail/send",trigger="http",version="${version}",state="${state}"} 1`,
    );
  }
});

test("after a thousand deploys the newest few versions are left, and always the ones that run", () => {
  const stats = new CallStats("mail/send", "http");
  stats.running = running("first");
  stats.observe(200, 1, "first");
  for (let i = 0; i < 1000; i++) stats.observe(200, 1, `v${i}`);
  assert.equal([...stats.versions.keys()], ["first", "v996", "v997", "v998", "v999"]);
  assert.is(stats.outcomes.get(200), 1001);
});

test("codes that a function makes up do not fill the memory", () => {
  const stats = new CallStats("mail/deliver", "queue");
  for (let i = 0; i < 1000; i++) stats.failed(`code ${i}`);
  assert.is(stats.errors.size, 51);
  assert.is(stats.errors.get("other"), 950);
});

test("what is taken from a queue is counted by the queue's name, too", async () => {
  const metrics = new Metrics();
  const stats = metrics.of("mail/deliver", "queue");
  stats.queue = "mail-queue";
  stats.observe("retry", 3, "aaa");
  const labels = `function="mail/deliver",trigger="queue",queue="mail-queue",outcome="retry"`;
  assert.match(await metrics.registry.metrics(), `queue_deliveries_total{${labels}} 1`);
});

test("a number that is not known is left out", async () => {
  const metrics = new Metrics();
  let value: number | undefined = 3;
  metrics.gauge("some_number", "Some", () => value);
  assert.match(await metrics.registry.metrics(), "some_number 3");
  value = undefined;
  assert.not.match(await metrics.registry.metrics(), /^some_number /m);
});

test.run();
