import { pino } from "pino";
import { createClient } from "redis";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startRedis } from "../../ops/harness/services.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { noCache, openRedisCache, type Cache } from "./cache.ts";
import { openRedis, type Redis } from "./redis.ts";

const log = pino({ level: "silent" });
const test = suite<{ url: string; redis: Redis; cache: Cache; raw: ReturnType<typeof createClient> }>("cache");

/** The first write to a fresh server takes another round trip, for it has to be told the script. */
const ready = (cache: Cache) =>
  eventually(
    () => {
      cache.put("ready", { yes: true }, 1, 60);
      return cache.get("ready");
    },
    { what: "the cache answers" },
  );

test.before(async (state) => {
  state.url = await freshRedis();
  state.redis = openRedis({ url: state.url, log });
  state.cache = openRedisCache(state.redis);
  state.raw = createClient({ url: state.url });
  await state.raw.connect();
  await ready(state.cache);
});
test.after(async ({ redis, raw }) => {
  raw.destroy();
  await redis.close();
});

test("what was put is got, in the order of the calls", async ({ cache }) => {
  assert.is(await cache.get("a"), undefined);
  cache.put("a", { text: "王 1", list: [1, null] }, 1, 60);
  assert.equal(await cache.get("a"), { text: "王 1", list: [1, null] });
  cache.drop("a");
  assert.is(await cache.get("a"), undefined);
});

test("an older version never replaces a newer one; the same one does", async ({ cache }) => {
  cache.put("b", { n: 10 }, 10, 60);
  cache.put("b", { n: 9 }, 9, 60);
  cache.put("b", { n: 2 }, 2, 60);
  assert.equal(await cache.get("b"), { n: 10 });
  cache.put("b", { n: 100 }, 10, 60);
  assert.equal(await cache.get("b"), { n: 100 });
  cache.put("b", { n: 11 }, 11, 60);
  assert.equal(await cache.get("b"), { n: 11 });
});

test("two processes share it", async ({ url, cache }) => {
  const redis = openRedis({ url, log });
  const other = openRedisCache(redis);
  await ready(other);
  cache.put("c", { from: "one" }, 1, 60);
  await cache.get("c");
  assert.equal(await other.get("c"), { from: "one" });
  await redis.close();
});

test("a value stays for its time and no longer", async ({ cache, raw }) => {
  cache.put("d", { n: 1 }, 1, 1000);
  await cache.get("d");
  const seconds = await raw.ttl("d");
  assert.ok(seconds > 990 && seconds <= 1000, String(seconds));
});

test("what somebody else wrote there is a miss, and is written over", async ({ cache, raw }) => {
  for (const text of ["", "garbage", "1 {broken", "{}"]) {
    await raw.set("e", text);
    assert.not((await cache.get<{ n?: number }>("e"))?.n);
    cache.put("e", { n: 1 }, 3, 60);
    assert.equal(await cache.get("e"), { n: 1 }, JSON.stringify(text));
  }
  await raw.del("e");
  await raw.lPush("e", "a list");
  assert.is(await cache.get("e"), undefined);
});

test("while it is away reads miss at once and writes are dropped; back, it works again", async () => {
  const server = await startRedis({ durable: false });
  const redis = openRedis({ url: server.url, log });
  const cache = openRedisCache(redis);
  await ready(cache);
  cache.put("a", { n: 1 }, 1, 60);
  assert.equal(await cache.get("a"), { n: 1 });
  await server.kill();
  await eventually(async () => !(await cache.ping()), { what: "it is known to be away" });
  const started = performance.now();
  for (let n = 0; n < 100; n++) {
    cache.put("a", { n }, 1, 60);
    assert.is(await cache.get("a"), undefined);
    cache.drop("a");
  }
  assert.ok(performance.now() - started < 200);
  await server.start();
  await ready(cache);
  cache.put("a", { n: 2 }, 1, 60);
  assert.equal(await cache.get("a"), { n: 2 });
  await redis.close();
  await server.close();
});

test("one that says nothing any more costs a read a quarter of a second", async () => {
  const server = await startRedis({ durable: false });
  const redis = openRedis({ url: server.url, log });
  const cache = openRedisCache(redis);
  await ready(cache);
  const frozen = createClient({ url: server.url });
  await frozen.connect();
  await frozen.sendCommand(["CLIENT", "PAUSE", "1500", "ALL"]);
  const started = performance.now();
  assert.is(await cache.get("a"), undefined);
  assert.ok(performance.now() - started < 600);
  assert.is(await cache.ping(), false, "and it is not said to be well");
  frozen.destroy();
  await redis.close();
  await server.close();
});

test("opened while it is away, it does not hold anything up, closes, and its log has no password", async () => {
  const lines: string[] = [];
  const told = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const redis = openRedis({ url: "redis://:hunter2@127.0.0.1:1", log: told });
  const cache = openRedisCache(redis);
  assert.is(await cache.get("a"), undefined);
  assert.is(await cache.ping(), false);
  await eventually(() => lines.length > 0, { what: "it is told" });
  await redis.close();
  assert.is(lines.length, 1, "once, not at every try");
  assert.not.match(lines.join(), "hunter2");
});

test("no cache at all is a miss for everything, and well", async () => {
  noCache.put("a", { n: 1 }, 1, 60);
  assert.is(await noCache.get("a"), undefined);
  assert.is(await noCache.ping(), true);
});

test.run();
