import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stripVTControlCharacters } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { metricsAddress, parse, read, type Reading } from "./top-read.ts";
import { show } from "./top-show.ts";
import { quantile, view } from "./top-view.ts";

const test = suite("fn top");

const reading = (address: string, at: number, text: string): Reading => ({ address, at, samples: parse(text) });
const a = "http://a:8080/metrics";
const b = "http://b:8080/metrics";

const page = (calls: number, failed: number, extra = "") => `
# HELP function_calls_total Calls by outcome
# TYPE function_calls_total counter
function_calls_total{function="mail/send",trigger="http",outcome="200"} ${calls}
function_calls_total{function="mail/send",trigger="http",outcome="500"} ${failed}
function_calls_total{function="mail/run",trigger="schedule",outcome="elsewhere"} ${calls}
function_calls_in_progress{function="mail/send",trigger="http"} 3
function_calls_in_progress{function="mail/run",trigger="schedule"} 0
function_calls_shed_total{function="mail/send",trigger="http"} 0
function_call_duration_seconds_bucket{function="mail/send",trigger="http",le="0.01"} ${calls / 2}
function_call_duration_seconds_bucket{function="mail/send",trigger="http",le="0.1"} ${calls}
function_call_duration_seconds_bucket{function="mail/send",trigger="http",le="+Inf"} ${calls}
function_version_info{function="mail/send",trigger="http",version="aaa",state="current"} 1
queue_messages{queue="mail-queue",kind="mail",state="ready"} 7
queue_oldest_seconds{queue="mail-queue",kind="mail"} 65
queue_deliveries_total{function="mail/deliver",trigger="queue",queue="mail-queue",outcome="dead"} ${failed}
provider_attempts_total{provider="graph",mailbox="no***@corp.example",result="accepted"} ${calls}
runtime_ready 1
process_resident_memory_bytes 209715200
process_memory_limit_bytes 268435456
process_start_time_seconds 1000
process_cpu_seconds_total ${calls / 100}
nodejs_eventloop_lag_p99_seconds 0.012
${extra}`;

test("rates are of what two processes did in between, together", () => {
  const seen = view(
    [
      { now: reading(a, 3000, page(300, 10)), before: reading(a, 1000, page(100, 4)) },
      { now: reading(b, 3000, page(50, 0)), before: reading(b, 1000, page(30, 0)) },
    ],
    1065,
  );
  const [send, run] = seen.functions;
  assert.equal([send?.function, send?.calls, send?.errors, send?.in_flight], ["mail/send", 113, 3, 6]);
  assert.equal([send?.p50, Math.round(1000 * (send?.p95 ?? 0))], [0.01, 91]);
  assert.equal([run?.function, run?.calls, run?.p50], ["mail/run", 0, undefined]);
  assert.equal(seen.queues, [{ queue: "mail-queue", ready: 7, delayed: 0, oldest: 65, taken: 3, retries: 0, dead: 3 }]);
  assert.is(seen.providers[0]?.accepted, 110);
  assert.equal(
    seen.processes.map((one) => [one.process, one.state, one.uptime, one.cpu]),
    [
      ["a:8080", "ready", 65, 1],
      ["b:8080", "ready", 65, 0.1],
    ],
  );
});

test("a process that was restarted in between begins with nothing", () => {
  const pair = { now: reading(a, 3000, page(20, 0)), before: reading(a, 1000, page(1000, 4)) };
  assert.is(view([pair], 0).functions[0]?.calls, 10);
});

test("who is away is part of the picture, as is what a process misses", () => {
  const lost = page(1, 0, 'service_up{service="keydb"} 0\nservice_up{service="postgresql"} 1');
  const seen = view(
    [
      { now: reading(a, 1, lost), before: undefined },
      { now: { address: b, away: "nothing listens there" }, before: reading(b, 0, page(1, 1)) },
    ],
    0,
  );
  assert.equal(
    seen.processes.map(({ state, remark }) => [state, remark]),
    [
      ["ready", "without keydb"],
      ["away", "nothing listens there"],
    ],
  );
  assert.is(seen.functions[0]?.calls, 0);
});

test("a canary stands beside the version that runs", () => {
  const extra = 'function_version_info{function="mail/send",trigger="http",version="bbb",state="canary"} 1';
  const seen = view([{ now: reading(a, 1, page(1, 0, extra)), before: undefined }], 0);
  assert.is(seen.functions.find((one) => one.function === "mail/send")?.version, "aaa, canary bbb");
});

test("quantiles are reckoned as Prometheus does", () => {
  const bucket = (le: string, rate: number) => ({ labels: { le }, value: 0, rate });
  const buckets = [bucket("0.1", 10), bucket("0.5", 90), bucket("+Inf", 100)];
  assert.is(quantile(0.5, buckets), 0.1 + 0.4 * 0.5);
  assert.is(quantile(0.99, buckets), 0.5, "beyond the last bound nobody knows more");
  assert.is(quantile(0.5, [bucket("+Inf", 0)]), undefined);
  assert.is(quantile(0.5, []), undefined);
});

test("the table fits the terminal, and counts what does not", () => {
  const many = Array.from(
    { length: 60 },
    (_, i) => `function_calls_in_progress{function="crm/members/number-${i}",trigger="http"} 0`,
  ).join("\n");
  const seen = view([{ now: reading(a, 1, page(1, 0, many)), before: undefined }], 0);
  const lines = show(seen, "now", { columns: 60, rows: 24 }).map(stripVTControlCharacters);
  assert.ok(lines.length <= 24);
  assert.ok(lines.every((line) => line.length <= 60));
  assert.match(lines.join("\n"), /… \d+ more/);
  assert.match(lines.join("\n"), /a:8080\s+ready\s+200 MB\s+256 MB/);
});

test("text with quotes, backslashes and odd numbers is read as it was written", () => {
  const samples = parse('m{a="x\\"y\\\\z\\n",b="}"} +Inf\nm 1.5e3\n# m 3\nbroken{\n\nn NaN');
  assert.equal(samples.get("m"), [
    { labels: { a: 'x"y\\z\n', b: "}" }, value: Infinity },
    { labels: {}, value: 1500 },
  ]);
  assert.ok(Number.isNaN(samples.get("n")?.[0]?.value));
});

test("addresses are taken as people write them", () => {
  assert.is(metricsAddress("8080"), "http://localhost:8080/metrics");
  assert.is(metricsAddress("api:8080"), "http://api:8080/metrics");
  assert.is(metricsAddress("https://api.example/x/metrics"), "https://api.example/x/metrics");
  assert.throws(() => metricsAddress("ftp://api"), /must begin with http/);
  assert.throws(() => metricsAddress("http://"), /is no address/);
});

test("an address that answers with something else, or not at all, is told in words", async () => {
  const server = createServer((request, response) => {
    response.setHeader("connection", "close");
    response.statusCode = request.url === "/metrics" ? 200 : 404;
    response.end("<html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const told = async (path: string) => {
    const answer = await read(`http://127.0.0.1:${port}${path}`);
    return "away" in answer ? answer.away : "fine";
  };
  assert.is(await told("/metrics"), "answers with something else than metrics");
  assert.is(await told("/other"), "answers with 404");
  await new Promise((resolve) => server.close(resolve));
  assert.is(await told("/metrics"), "nothing listens there");
});

test.run();
