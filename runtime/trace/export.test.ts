import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { pino } from "pino";
import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openExporter } from "./export.ts";
import { traceFrom, type Span } from "./span.ts";

const test = suite("sending traces");

const aSpan = (name = "a step"): Span => ({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentId: undefined,
  name,
  kind: "internal",
  startedAt: 1,
  endedAt: 2.5,
  tags: { attempt: 2, share: 0.5, mail_id: "m", missing: undefined },
  failure: undefined,
});

function open(endpoint: string, more: { capacity?: number; everyMs?: number; percent?: number } = {}) {
  const registry = new Registry();
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const settings = { endpoint, headers: { authorization: "Bearer x" }, service: "test", percent: 100, version: "1" };
  const exporter = openExporter({ ...settings, registry, log, everyMs: 10, ...more });
  const count = async (name: string) => {
    const value = new RegExp(`^trace_spans_${name}_total (\\d+)`, "m").exec(await registry.metrics());
    return Number(value?.[1]);
  };
  return { exporter, count, lines };
}

interface Collected {
  names: string[];
  bodies: unknown[];
}

async function collector(status: () => number) {
  const got: Collected = { names: [], bodies: [] };
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      response.statusCode = status();
      got.bodies.push(body);
      if (response.statusCode === 200)
        got.names.push(
          ...JSON.stringify(body)
            .matchAll(/"name":"(s\d+)"/g)
            .map((found) => found[1] ?? ""),
        );
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { got, close, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

test("a span arrives as OTLP has it", async () => {
  const { got, url, close } = await collector(() => 200);
  const { exporter, count } = open(url);
  exporter.record({ ...aSpan(), failure: "http_503", parentId: "00f067aa0ba902b7", kind: "client" });
  await exporter.close();
  const [{ resourceSpans }] = got.bodies as [
    { resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[] },
  ];
  const { startTimeUnixNano, endTimeUnixNano, ...span } = resourceSpans[0]?.scopeSpans[0]?.spans[0] ?? {};
  assert.equal(span, {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    parentSpanId: "00f067aa0ba902b7",
    name: "a step",
    kind: 3,
    attributes: [
      { key: "attempt", value: { intValue: "2" } },
      { key: "share", value: { doubleValue: 0.5 } },
      { key: "mail_id", value: { stringValue: "m" } },
    ],
    status: { code: 2, message: "http_503" },
  });
  assert.is(BigInt(String(endTimeUnixNano)) - BigInt(String(startTimeUnixNano)), 1_500_000n);
  assert.is(await count("exported"), 1);
  close();
});

test("with the collector away the newest spans wait, the others are counted, and it is told once", async () => {
  const { exporter, count, lines } = open("http://127.0.0.1:9", { capacity: 1000 });
  for (let i = 0; i < 10_000; i++) exporter.record(aSpan(`s${i}`));
  assert.ok((await count("dropped")) >= 8000);
  const before = performance.now();
  await exporter.close();
  assert.ok(performance.now() - before < 2000);
  assert.is(await count("dropped"), 10_000);
  assert.is(await count("exported"), 0);
  assert.is(lines.filter((line) => line.includes("is away")).length, 1);
});

test("what the collector was too busy for it gets again, in order and once", async () => {
  let status = 503;
  const { got, url, close } = await collector(() => status);
  const { exporter, count } = open(url);
  for (let i = 0; i < 700; i++) exporter.record(aSpan(`s${i}`));
  while (got.bodies.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  status = 200;
  await exporter.close();
  assert.equal(
    got.names,
    Array.from({ length: 700 }, (_, i) => `s${i}`),
  );
  assert.equal([await count("exported"), await count("dropped")], [700, 0]);
  close();
});

test("what the collector refuses is not sent again", async () => {
  const { got, url, close } = await collector(() => 400);
  const { exporter, count } = open(url);
  exporter.record(aSpan());
  await exporter.close();
  assert.is(got.bodies.length, 1);
  assert.is(await count("dropped"), 1);
  close();
});

test("a share of the traces that begin here is kept", async () => {
  const none = open("http://127.0.0.1:9", { percent: 0 }).exporter;
  const half = open("http://127.0.0.1:9", { percent: 50 }).exporter;
  assert.is(traceFrom(undefined, none.samples).sampled, false);
  const kept = Array.from({ length: 1000 }, () => half.samples()).filter(Boolean).length;
  assert.ok(kept > 400 && kept < 600);
});

test("a trace goes on as its caller says; what is no traceparent begins one", () => {
  const given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const place = traceFrom(given);
  assert.equal([place.traceId, place.parentId, place.sampled], [given.slice(3, 35), given.slice(36, 52), false]);
  assert.match(place.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[\da-f]{16}-00$/);
  for (const wrong of [
    "",
    "00-x",
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    given.replace("00", "ff"),
    `x${given}`,
  ]) {
    assert.is(traceFrom(wrong).parentId, undefined, wrong);
  }
});

test.run();
