import { once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import type { Context } from "../context.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { Metrics } from "../host/metrics.ts";
import type { Loaded } from "../host/slot.ts";
import { anyone, eventsOf, eventStream, http, Problem, type ServerEvent } from "../index.ts";
import { httpTrigger, type HttpTrigger } from "../triggers/http.ts";
import { openapi } from "./openapi.ts";
import { serveProduction, type HttpServer } from "./server.ts";

/** A running campaign, of which pages are told. */
interface World {
  trigger: HttpTrigger;
  server: HttpServer;
  loaded: Loaded;
  ways: { name: string; get(path: string, init?: RequestInit): Promise<Response> }[];
  /** Resolves when the next number is to be sent. */
  next(): void;
  /** What became of each stream, once its code had ended. */
  ended: string[];
  log: string[];
  /** The one answer that waits until its client has left. */
  late: PromiseWithResolvers<void>;
}

const test = suite<World>("server-sent events");

const Progress = Type.Object({ sent: Type.Integer() });

test.before.each(async (world) => {
  const steps = new Set<() => void>();
  world.ended = [];
  world.log = [];
  world.late = Promise.withResolvers();
  world.next = () => {
    for (const step of steps) step();
    steps.clear();
  };
  async function* progress(ctx: Context): AsyncGenerator<ServerEvent<{ sent: number }>> {
    let how = "left";
    try {
      for (let sent = 0; ; sent++) {
        if (sent === 3) break;
        yield { event: "progress", id: String(sent), data: { sent } };
        await new Promise<void>((resolve, reject) => {
          steps.add(resolve);
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true });
        });
      }
      how = "complete";
    } finally {
      world.ended.push(ctx.signal.aborted ? "told to end" : how);
    }
  }
  const definition = http
    .get("/progress/:id", {
      access: anyone,
      params: Type.Object({ id: Type.Integer() }),
      returns: eventsOf(Progress),
      timeLimitMs: 100,
    })
    .handle(async ({ params }, ctx) => {
      if (params.id === 1000) {
        world.late.resolve();
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      }
      if (params.id === 404) throw new Problem(404, "campaign_not_found", "There is none");
      if (params.id === 500) return eventStream(failing());
      return eventStream(progress(ctx));
    });
  const write = (line: string) => void world.log.push(line);
  const host = createHost({ settings: bareSettings, resources: {} as never, log: pino({}, { write }) }, new Metrics());
  world.trigger = httpTrigger(host);
  world.loaded = { name: "progress", file: "progress.ts", definition, hash: "one", inputs: [] };
  await world.trigger.mount(world.loaded);
  world.server = await serveProduction(world.trigger.dispatch, { port: 0 });
  world.ways = [
    { name: "socket", get: (path, init) => fetch(`${world.server.url}${path}`, init) },
    { name: "no socket", get: async (path, init) => world.trigger.fetch(new Request(`http://x${path}`, init)) },
  ];
});

test.after.each(async ({ server }) => {
  server.cut();
  await server.stopAccepting();
});

async function* failing(): AsyncGenerator<ServerEvent<{ sent: number }>> {
  yield { data: { sent: 1 } };
  throw new Error("the database has gone");
}

/** Reads until the text has what is waited for; returns all of it. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, wanted: string, text = ""): Promise<string> {
  for (const decoder = new TextDecoder(); !text.includes(wanted);) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`It ended without ${wanted}: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

function readerOf({ body }: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (!body) throw new Error("It has no body");
  return body.getReader();
}

test("events arrive as they happen, beyond the time limit, and the stream ends with them", async (world) => {
  for (const { name, get } of world.ways) {
    const response = await get("/progress/1");
    assert.is(response.status, 200, name);
    assert.is(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.is(response.headers.get("cache-control"), "no-store");
    assert.ok(response.headers.get("x-request-id"));
    const reader = readerOf(response);
    const first = await readUntil(reader, '\n\nevent: progress\nid: 0\ndata: {"sent":0}\n\n');
    assert.ok(first.startsWith(":\n\n"), "something comes at once, so that the page knows it is connected");
    const answered = performance.now();
    // Longer than its time limit: the one wait here that is for a time, and lateness does it no harm.
    await eventually(() => performance.now() - answered > 300, { what: "its time limit is over" });
    world.next();
    await readUntil(reader, 'data: {"sent":1}\n\n');
    await eventually(() => (world.next(), world.ended.length === 1), { what: "all is told" });
    const rest = await readUntil(reader, 'data: {"sent":2}\n\n');
    assert.not.match(rest, "abort");
    assert.is((await reader.read()).done, true, name);
    assert.equal(world.ended.splice(0), ["complete"], name);
  }
});

test("a client that leaves ends the code that told it", async (world) => {
  for (const { name, get } of world.ways) {
    const reader = readerOf(await get("/progress/1"));
    await readUntil(reader, 'data: {"sent":0}');
    await reader.cancel();
    await eventually(() => world.ended.length === 1, { what: "its code has ended" });
    assert.equal(world.ended.splice(0), ["told to end"], name);
  }
  await world.trigger.drain();
  assert.equal(world.log, [], "leaving is no failure");
});

test("a client that is cut off, too", async (world) => {
  const socket = connect(world.server.port);
  socket.write("GET /progress/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  socket.resetAndDestroy();
  await eventually(() => world.ended.length === 1, { what: "its code has ended" });
});

test("a client that leaves before its stream has begun ends nothing but that", async (world) => {
  const socket = connect(world.server.port);
  socket.write("GET /progress/1000 HTTP/1.1\r\nHost: x\r\n\r\n");
  await world.late.promise;
  socket.resetAndDestroy();
  await world.trigger.drain();
  assert.equal(world.log, [], "leaving is no failure");
});

test("stopping ends the streams in order, and waits for their code", async (world) => {
  const readers = await Promise.all(world.ways.map(async ({ get }) => readerOf(await get("/progress/1"))));
  for (const reader of readers) await readUntil(reader, 'data: {"sent":0}');
  await Promise.all([world.trigger.drain(), world.server.stopAccepting()]);
  assert.equal(world.ended, ["told to end", "told to end"]);
  for (const reader of readers) {
    // It ends as a reply does, not as a broken one: a page connects again, and comes to another process.
    while (!(await reader.read()).done);
  }
  const late = await world.trigger.fetch(new Request("http://x/progress/1"));
  assert.is(await late.text(), ":\n\n", "one that comes late is ended at once");
});

test("so does a new version of the function", async (world) => {
  const reader = readerOf((await world.ways[0]?.get("/progress/1")) ?? new Response());
  await readUntil(reader, 'data: {"sent":0}');
  await world.trigger.mount({ ...world.loaded, hash: "two" });
  while (!(await reader.read()).done);
  await eventually(() => world.ended.length === 1, { what: "its code has ended" });
});

test("what is wrong before the stream begins is a problem as ever; HEAD begins none", async (world) => {
  for (const { get } of world.ways) {
    assert.is((await get("/progress/404")).status, 404);
    assert.is((await get("/progress/none")).status, 400);
    const head = await get("/progress/1", { method: "HEAD" });
    assert.is(head.status, 200);
    assert.is(head.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.is(await head.text(), "");
  }
  await world.trigger.drain();
  assert.equal(world.ended, []);
});

test("a stream that fails breaks off, so that the page tries again, and the log says why", async (world) => {
  for (const { name, get } of world.ways) {
    const reader = readerOf(await get("/progress/500"));
    let failed = false;
    try {
      while (!(await reader.read()).done);
    } catch {
      failed = true;
    }
    assert.ok(failed, name);
    assert.match(world.log.splice(0).join(), "the database has gone", name);
  }
  await world.trigger.drain();
});

test("the documentation shows the media type and the schema of the data", ({ loaded }) => {
  const document = openapi({ title: "T", version: "1", description: "" }, [loaded]);
  const [ok] = [JSON.parse(JSON.stringify(document)).paths["/progress/{id}"].get.responses["200"]];
  assert.is(ok.content["text/event-stream"].schema.contentSchema.properties.sent.type, "integer");
});

test.run();
