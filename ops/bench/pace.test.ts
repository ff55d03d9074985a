import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { askAtPace, percentiles } from "./pace.ts";

async function serve(listener: RequestListener): Promise<{ url: string; close(): void }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

const pace = suite("asking at a pace");

pace("a percentile is a latency that was measured, and so many are no longer", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentiles(hundred.toReversed()), { p50Ms: 50, p95Ms: 95, p99Ms: 99, longestMs: 100 });
  assert.equal(percentiles([7]), { p50Ms: 7, p95Ms: 7, p99Ms: 7, longestMs: 7 });
});

pace("a server that stops for a while delays all that was due meanwhile, and each of them counts", async () => {
  let asked = 0;
  const server = await serve((_request, response) => {
    asked++;
    setTimeout(() => response.end("{}"), asked === 50 ? 200 : 0);
  });
  const answers: string[] = [];
  const sample = await askAtPace({
    url: server.url,
    authorization: "",
    perSecond: 250,
    seconds: 2,
    connections: 1,
    path: () => "/",
    onAnswer: (body) => answers.push(body),
  });
  server.close();
  assert.is(asked, 500);
  assert.is(answers.length, 500);
  // Fifty were due in those 200 ms, a tenth of all; the last of them waited least.
  assert.ok((sample["p95Ms"] ?? 0) > 50, JSON.stringify(sample));
});

pace("a body is posted, and its answer is told with what it took", async () => {
  const bodies: string[] = [];
  const server = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(`${request.method} ${request.headers["content-type"]} ${Buffer.concat(chunks).toString()}`);
      response.end("accepted");
    });
  });
  const answers: [string, number][] = [];
  await askAtPace({
    url: server.url,
    authorization: "",
    perSecond: 100,
    seconds: 0.03,
    path: () => "/send",
    body: '{"to":"Zoë"}',
    onAnswer: (body, latencyMs) => answers.push([body, latencyMs]),
  });
  server.close();
  assert.equal(bodies, Array(3).fill('POST application/json {"to":"Zoë"}'));
  assert.ok(answers.length === 3 && answers.every(([body, latencyMs]) => body === "accepted" && latencyMs > 0));
});

pace("an answer that is no success ends it", async () => {
  const server = await serve((_request, response) => response.writeHead(503).end());
  const asking = askAtPace({
    url: server.url,
    authorization: "",
    perSecond: 100,
    seconds: 1,
    path: () => "/status",
  });
  const error = await asking.catch((failure: unknown) => failure);
  assert.match(String(error), "GET /status: HTTP/1.1 503");
  server.close();
});

pace.run();
