import { pino } from "pino";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startPostgres, type Server } from "../../ops/harness/services.ts";
import { startTcpRelay } from "../../ops/harness/tcp-relay.ts";
import { eventually } from "../../ops/harness/test.ts";
import { openListener, type Listener } from "./listener.ts";
import { openWatchedCache, type WatchedCache } from "./watched-cache.ts";

const test = suite<{ server: Server; listener: Listener; cache: WatchedCache<string> }>("watched cache");
const log = pino({ level: "silent" });

test.before(async (state) => {
  state.server = await startPostgres({ durable: false });
});
test.before.each(async (state) => {
  state.listener = await openListener({ url: state.server.url, log });
  state.cache = openWatchedCache<string>({ listener: state.listener, channel: "thing", max: 3, unwatchedMs: 300 });
  await state.listener.on("thing", () => {}); // Behind the cache's own: now both are heard.
});
test.after.each(({ listener }) => listener.close());
test.after(({ server }) => server.close());

async function notify({ url }: Server, id: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("SELECT pg_notify('thing', $1)", [id]);
  await client.end();
}
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));
const load =
  (value: string, id = value) =>
  async () => ({ value, id });

test("a value is kept until its id is told, and others stay", async ({ server, cache }) => {
  assert.is(cache.get("a"), undefined);
  assert.is(await cache.fetch("a", load("A", "id-a")), "A");
  await cache.fetch("a2", load("A2", "id-a"));
  await cache.fetch("b", load("B", "id-b"));
  assert.equal(["a", "a2", "b"].map(cache.get), ["A", "A2", "B"]);
  await notify(server, "id-a");
  await eventually(() => cache.get("a") === undefined, { what: "it is forgotten" });
  assert.equal(["a2", "b"].map(cache.get), [undefined, "B"]);
});

test("while changes can be told, a value is believed for however long", async ({ listener }) => {
  const impatient = openWatchedCache<string>({ listener, channel: "thing", max: 3, unwatchedMs: 0 });
  await impatient.fetch("a", load("A"));
  assert.is(impatient.get("a"), "A");
});

test("a change that is told while a value loads keeps it from being kept", async ({ server, cache, listener }) => {
  let told = false;
  await listener.on("thing", () => void (told = true));
  const value = await cache.fetch("a", async () => {
    await notify(server, "id-a");
    await eventually(() => told, { what: "the change is told" });
    return { value: "old", id: "id-a" };
  });
  assert.is(value, "old");
  assert.is(cache.get("a"), undefined);
});

test("a load that fails is the caller's to know, and keeps nothing", async ({ cache }) => {
  const failure = await cache
    .fetch("a", () => Promise.reject(new Error("no such thing")))
    .catch((error: unknown) => error);
  assert.match(String(failure), "no such thing");
  assert.is(cache.get("a"), undefined);
});

test("all who ask while it is loaded wait for one load, and hear of its failure", async ({ cache }) => {
  const { promise, resolve } = Promise.withResolvers<{ value: string; id: string }>();
  let loads = 0;
  const slow = () => (loads++, promise);
  const asked = Array.from({ length: 1000 }, () => cache.fetch("a", slow));
  const other = cache.fetch("b", load("B"));
  resolve({ value: "A", id: "id-a" });
  assert.equal(new Set(await Promise.all(asked)), new Set(["A"]));
  assert.is(await other, "B");
  assert.is(loads, 1);

  const { promise: failing, reject: fail } = Promise.withResolvers<{ value: string; id: string }>();
  const failures = Array.from({ length: 3 }, () => cache.fetch("c", () => failing).catch(String));
  fail(new Error("away"));
  assert.equal(await Promise.all(failures), Array(3).fill("Error: away"));
  assert.is(await cache.fetch("c", load("C")), "C", "the next one asks again");
});

test("who asks after a change was told does not wait for what was loaded before it", async (state) => {
  const { server, cache, listener } = state;
  let told = false;
  await listener.on("thing", () => void (told = true));
  const { promise, resolve } = Promise.withResolvers<{ value: string; id: string }>();
  const before = cache.fetch("a", () => promise);
  await notify(server, "id-a");
  await eventually(() => told, { what: "the change is told" });
  assert.is(await cache.fetch("a", load("new", "id-a")), "new");
  resolve({ value: "old", id: "id-a" });
  assert.is(await before, "old");
  assert.is(cache.get("a"), "new");
});

test("while nothing can be told, a load that takes long is not waited for either", async (state) => {
  const { server, cache, listener } = state;
  await server.stop();
  await eventually(() => !listener.isLive(), { what: "the loss is noticed" });
  const { promise, resolve } = Promise.withResolvers<{ value: string; id: string }>();
  const stuck = cache.fetch("a", () => promise);
  const answer = async () => (await Promise.race([cache.fetch("a", load("new")), soon()])) === "new";
  await eventually(answer, { what: "it is asked anew" });
  resolve({ value: "old", id: "id-a" });
  assert.is(await stuck, "old");
  await server.start();
});

test("it holds no more than its most, and lets the oldest go", async ({ cache }) => {
  for (const key of ["a", "b", "c", "d"]) await cache.fetch(key, load(key));
  assert.equal(["a", "b", "c", "d"].map(cache.get), [undefined, "b", "c", "d"]);
});

test("while nothing can be told a value is only believed for a moment; after that all is new", async (state) => {
  const { server, cache, listener } = state;
  await cache.fetch("a", load("A"));
  await server.stop();
  await eventually(() => !listener.isLive(), { what: "the loss is noticed" });
  await cache.fetch("b", load("B"));
  assert.is(cache.get("b"), "B");
  await eventually(() => cache.get("b") === undefined, { what: "it is no longer believed", within: 1000 });
  await cache.fetch("c", load("C"));
  await server.start();
  await eventually(() => listener.isLive(), { what: "it is live again" });
  assert.equal(["a", "b", "c"].map(cache.get), [undefined, undefined, undefined]);
});

test("a change that a silent line holds back is not believed for longer than a second", async ({ server }) => {
  const relay = await startTcpRelay(server.url);
  const listener = await openListener({ url: relay.url, log });
  const cache = openWatchedCache<string>({ listener, channel: "thing", max: 3, unwatchedMs: 700 });
  await listener.on("thing", () => {});
  await cache.fetch("a", load("A", "id-a"));

  relay.freeze();
  await notify(server, "id-a");
  assert.is(cache.get("a"), "A", "nobody can know yet");
  await eventually(() => cache.get("a") === undefined, { what: "it is not believed any more", within: 1000 });

  relay.thaw();
  await eventually(() => listener.isLive(), { what: "the line is back" });
  await cache.fetch("a", load("new", "id-a"));
  assert.is(cache.get("a"), "new");
  await listener.close();
  await relay.close();
});

test.run();
