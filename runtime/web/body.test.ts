import { createHash } from "node:crypto";
import { getEventListeners, once } from "node:events";
import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import { Metrics } from "../host/metrics.ts";
import { anyone, http, Problem, type StringSink } from "../index.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { httpTrigger } from "../triggers/http.ts";
import { serveProduction, type HttpServer } from "./server.ts";

const mebibyte = 2 ** 20;

/** What became of the large strings of a test's requests. */
class Sink implements StringSink {
  readonly hash = createHash("sha256");
  bytes = 0;
  state: "open" | "ended" | "discarded" = "open";
  isBusy = false;
  /** It was discarded while it wrote. */
  wasBusy = false;
  readonly gate: { wait(): Promise<void> };

  constructor(gate: { wait(): Promise<void> }) {
    this.gate = gate;
  }

  async write(piece: Buffer): Promise<void> {
    this.isBusy = true;
    await this.gate.wait();
    this.hash.update(piece);
    this.bytes += piece.length;
    this.isBusy = false;
  }

  async end(): Promise<void> {
    this.state = "ended";
  }

  async discard(): Promise<void> {
    this.wasBusy = this.isBusy;
    this.state = "discarded";
  }
}

interface World {
  server: HttpServer;
  /** Both ways in: through a socket, and without one. */
  ways: {
    name: string;
    send: (path: string, body: string | ReadableStream, init?: RequestInit) => Promise<Response>;
  }[];
  sinks: Sink[];
  gate: { wait(): Promise<void> };
  handled: number;
  /** Of the last call of `/plain`. */
  signal?: AbortSignal;
  settled(): Promise<void>;
}

const test = suite<World>("large bodies");

test.before(async (world) => {
  world.gate = { wait: async () => {} };
  const largeStrings = {
    key: "content",
    over: 65_536,
    open() {
      const sink = new Sink({ wait: () => world.gate.wait() });
      world.sinks.push(sink);
      return sink;
    },
  };
  const Upload = Type.Object({ name: Type.String(), files: Type.Array(Type.Object({ content: Type.String() })) });
  const upload = http
    .post("/upload", {
      access: anyone,
      body: Upload,
      bodyLimit: 20 * mebibyte,
      timeLimitMs: 20_000,
      largeStrings,
      returns: Type.Object({
        name: Type.Integer(),
        files: Type.Array(Type.Object({ bytes: Type.Integer(), isLarge: Type.Boolean() })),
        hash: Type.String(),
      }),
    })
    .handle(async (request) => {
      const { body, large } = request;
      world.handled++;
      if (body.name === "refused") throw new Problem(400, "refused", "This one is refused");
      if (body.name === "broken") throw new Error("broken");
      const files = body.files.map(({ content }) => {
        const sink = large(content);
        assert.is(sink?.state ?? "ended", "ended");
        return { bytes: sink?.bytes ?? Buffer.byteLength(content), isLarge: sink !== undefined };
      });
      return { name: body.name.length, files, hash: request.bodyHash() };
    });
  const brief = http
    .post("/brief", {
      access: anyone,
      body: Upload,
      bodyLimit: 40 * mebibyte,
      timeLimitMs: 300,
      largeStrings,
      returns: Type.Object({}),
    })
    .handle(async () => {
      world.handled++;
      return {};
    });
  const plain = http
    .post("/plain", {
      access: anyone,
      body: Type.Unknown(),
      bodyLimit: 120 * mebibyte,
      returns: Type.Object({ hash: Type.String() }),
    })
    .handle(async (request, { signal }) => {
      world.signal = signal;
      return { hash: request.bodyHash() };
    });

  const log = pino({ level: "silent" });
  const host = createHost(
    { settings: { ...bareSettings, production: true }, resources: {} as never, log },
    new Metrics(),
  );
  const trigger = httpTrigger(host);
  for (const [name, definition] of Object.entries({ upload, brief, plain })) {
    await trigger.mount({ name, file: `${name}.ts`, definition, hash: "test", inputs: [] });
  }
  world.server = await serveProduction(trigger.dispatch, { port: 0, host: "127.0.0.1" });
  const origin = `http://127.0.0.1:${world.server.port}`;
  const init = (body: string | ReadableStream, given: RequestInit = {}) =>
    ({
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      duplex: "half",
      ...given,
    }) as RequestInit;
  world.ways = [
    { name: "by a socket", send: (path, body, given) => fetch(origin + path, init(body, given)) },
    {
      name: "without",
      send: async (path, body, given) => trigger.fetch(new Request(origin + path, init(body, given))),
    },
  ];
  world.settled = () => host.settled();
});

test.before.each((world) => {
  world.sinks = [];
  world.handled = 0;
  world.gate = { wait: async () => {} };
});

test.after(async ({ server }) => {
  server.cut();
  await server.stopAccepting();
});

const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");

function* pieces(text: string, size = 100_000): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function discarded(sinks: readonly Sink[]): boolean {
  assert.not(sinks.some(({ wasBusy }) => wasBusy));
  return sinks.every(({ state }) => state === "discarded");
}

test("a large string goes to its sink whole, the rest to the handler; the hash is that of what was sent", async (world) => {
  const content = "A/+9".repeat(mebibyte / 2);
  const json = JSON.stringify({ name: "two", files: [{ content }, { content: "small" }] }).replaceAll("/", "\\/");
  for (const { name, send } of world.ways) {
    for (const body of [json, ReadableStream.from(pieces(json))]) {
      world.sinks = [];
      const response = await send("/upload", body);
      assert.is(response.status, 200, name);
      assert.equal(await response.json(), {
        name: 3,
        files: [
          { bytes: content.length, isLarge: true },
          { bytes: 5, isLarge: false },
        ],
        hash: sha256(json),
      });
      assert.is(world.sinks[0]?.hash.digest("hex"), sha256(content));
      await world.settled();
      assert.is(world.sinks.length, 1);
      assert.ok(discarded(world.sinks), "once the call is over, what was not taken elsewhere goes");
    }
  }
});

test("a small body is all in memory, and so is a large string of another name", async (world) => {
  for (const { send } of world.ways) {
    const small = await send("/upload", JSON.stringify({ name: "", files: [{ content: "x".repeat(65_536) }] }));
    assert.equal(((await small.json()) as { files: unknown }).files, [{ bytes: 65_536, isLarge: false }]);
    const other = await send("/upload", JSON.stringify({ name: "n".repeat(mebibyte), files: [] }));
    assert.is(((await other.json()) as { name: number }).name, mebibyte);
    assert.is(world.sinks.length, 0);
  }
});

test("whatever a request fails with, its sinks are discarded", async (world) => {
  const content = "A".repeat(mebibyte);
  const files = [{ content }];
  const whole = JSON.stringify({ name: "", files });
  const cases: [body: string, status: number][] = [
    [JSON.stringify({ name: "refused", files }), 400],
    [JSON.stringify({ name: "broken", files }), 500],
    [JSON.stringify({ name: 1, files }), 400],
    [JSON.stringify({ files }), 400],
    [whole.slice(0, -1), 400],
    [whole.slice(0, -100), 400],
    [whole.replace("AAAA", "A\nAA"), 400],
    [`${whole.slice(0, -4)}\\q"}]}`, 400],
    [whole.replace("AAAA", "A\ud83dAA").replace("\ufffd", ""), 200],
    [JSON.stringify({ name: "", files: [{ content }, { content: content.repeat(20) }] }), 413],
  ];
  for (const { name, send } of world.ways) {
    for (const [body, status] of cases) {
      for (const given of [body, ReadableStream.from(pieces(body))]) {
        const response = await send("/upload", given);
        assert.is(response.status, status, `${name}: ${body.slice(0, 40)}…${body.slice(-20)}`);
        await response.arrayBuffer();
        await eventually(() => discarded(world.sinks), { what: `${name}: the sinks are discarded` });
      }
    }
  }
  assert.ok(world.sinks.length >= cases.length);
});

/** Begins a request on a socket of its own. */
async function begin({ server }: World, path: string, announced: number, text: string): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {});
  const head = [`POST ${path} HTTP/1.1`, "Host: x", "Content-Type: application/json", `Content-Length: ${announced}`];
  socket.write(`${head.join("\r\n")}\r\n\r\n${text}`);
  return socket;
}

test("a client that leaves in the middle leaves nothing behind", async (world) => {
  const socket = await begin(world, "/upload", 10 * mebibyte, `{"files":[{"content":"${"A".repeat(mebibyte)}`);
  await eventually(() => (world.sinks[0]?.bytes ?? 0) > mebibyte / 2, { what: "its content arrives" });
  socket.destroy();
  await eventually(() => discarded(world.sinks), { what: "the sink is discarded" });
  assert.is(world.handled, 0);
});

test("a client that leaves while its content waits for the disk leaves nothing behind", async (world) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  world.gate = { wait: () => promise };
  const socket = await begin(world, "/upload", 10 * mebibyte, `{"files":[{"content":"${"A".repeat(mebibyte)}`);
  await eventually(() => world.sinks[0]?.isBusy === true, { what: "its content arrives" });
  socket.destroy();
  await once(socket, "close");
  const answers = world.ways[0]?.send("/upload", JSON.stringify({ name: "", files: [] }));
  assert.is((await answers)?.status, 200, "others are answered meanwhile");
  resolve();
  await eventually(() => discarded(world.sinks), { what: "the sink is discarded" });
});

test("past the time limit it is answered 504; its handler does not run, and its sinks are discarded", async (world) => {
  const start = `{"name":"","files":[{"content":"${"A".repeat(mebibyte)}`;
  const end = `"}]}`;
  const socket = await begin(world, "/brief", start.length + end.length, start);
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  await eventually(() => answer.includes("HTTP/1.1 504"), { what: "it is answered 504" });
  await eventually(() => discarded(world.sinks) && world.sinks.length === 1, { what: "the sink is discarded" });
  // The end comes too late to count, but the connection is as good as before.
  socket.write(end);
  answer = "";
  const next = `{"name":"","files":[]}`;
  socket.write(
    `POST /brief HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${next.length}\r\n\r\n${next}`,
  );
  await eventually(() => answer.includes("HTTP/1.1 200"), { what: "the next request is answered" });
  assert.is(world.handled, 1);
  socket.destroy();
});

test("a sink that is still writing when the time is up is discarded after that", async (world) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  world.gate = { wait: () => promise };
  const socket = await begin(world, "/brief", 2 * mebibyte, `{"files":[{"content":"${"A".repeat(mebibyte)}`);
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  await eventually(() => answer.includes("HTTP/1.1 504"), { what: "it is answered 504" });
  assert.is(world.sinks[0]?.state, "open");
  resolve();
  await eventually(() => discarded(world.sinks), { what: "the sink is discarded" });
  socket.destroy();
});

test("a small request that is not complete in time is not handled either", async (world) => {
  const body = `{"name":"","files":[]}`;
  const socket = await begin(world, "/brief", body.length, body.slice(0, 5));
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  await eventually(() => answer.includes("HTTP/1.1 504"), { what: "it is answered 504" });
  socket.write(body.slice(5));
  socket.write("GET /upload HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually(() => answer.includes("HTTP/1.1 405"), { what: "the next request is answered" });
  assert.is(world.handled, 0);
  socket.destroy();
});

test("a client sends no faster than its sink takes", async (world) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  world.gate = { wait: () => promise };
  const content = "A".repeat(18 * mebibyte);
  const body = `{"name":"","files":[{"content":"${content}"}]}`;
  const socket = await begin(world, "/upload", body.length, body);
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  let [before, still] = [-1, 0];
  await eventually(
    () => {
      const written = socket.bytesWritten - socket.writableLength;
      still = written === before && world.sinks[0]?.isBusy === true ? still + 1 : 0;
      before = written;
      return still > 10;
    },
    { what: "the client's writing comes to a standstill" },
  );
  assert.ok(socket.writableLength > 10 * mebibyte, `${socket.writableLength} bytes have not been taken`);
  resolve();
  await eventually(() => answer.includes("HTTP/1.1 200"), { what: "it is answered" });
  assert.is(world.sinks[0]?.bytes, content.length);
  socket.destroy();
});

test("large bodies of small strings get through, one after the other when they are too much together", async (world) => {
  const json = JSON.stringify(Array.from({ length: 12 }, () => "x".repeat(mebibyte)));
  for (const { send } of world.ways) {
    const responses = await Promise.all(Array.from({ length: 6 }, () => send("/plain", json)));
    for (const response of responses) {
      assert.is(response.status, 200);
      assert.equal(await response.json(), { hash: sha256(json) });
    }
  }
});

test("once it is answered, nobody listens to a call's signal: it would keep all of the request", async (world) => {
  for (const { send } of world.ways) {
    const answer = await send("/plain", new Blob(['{"a":', "1}"]).stream());
    assert.is(answer.status, 200, await answer.text());
    const { signal } = world;
    if (!signal) throw new Error("It was not handled.");
    await eventually(() => getEventListeners(signal, "abort").length === 0, { what: "nobody listens" });
  }
});

test("ten thousand levels are no crash", async (world) => {
  for (const { send } of world.ways) {
    for (const depth of [10_000, 200_000]) {
      const nested = "[".repeat(depth) + "]".repeat(depth);
      assert.ok([200, 400].includes((await send("/plain", nested)).status));
      assert.is((await send("/plain", "[".repeat(depth))).status, 400);
      assert.is((await send("/upload", `{"name":"","files":${nested}}`)).status, 400);
    }
    assert.is((await send("/plain", "[]")).status, 200);
  }
});

test.run();
