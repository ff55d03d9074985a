import { pino } from "pino";
import { Registry } from "prom-client";
import { createClient } from "redis";
import { suite, type Test } from "uvu";
import * as assert from "uvu/assert";
import { startRedis } from "../../ops/harness/services.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { openRateLimits, type RateLimit, type RateLimits } from "./rate-limits.ts";
import { openRedis, type Redis } from "./redis.ts";

const log = pino({ level: "silent" });
const perMinute = (points: number): RateLimit => ({ name: "requests", points, seconds: 60 });

/** Limits whose time stands still until the test moves it. */
interface Own {
  limits: RateLimits;
  clock: { now: number };
  redis: Redis | undefined;
}

async function connected(url: string): Promise<Redis> {
  const redis = openRedis({ url, log });
  await eventually(() => redis.isReady(), { what: "connected" });
  return redis;
}

/** Takes one by one; how many passed. */
async function passed(limits: RateLimits, limit: RateLimit, key: string, times: number): Promise<number> {
  const verdicts = await Promise.all(Array.from({ length: times }, () => limits.take(limit, key)));
  return verdicts.filter((verdict) => verdict.passed).length;
}

/** What holds wherever windows are kept. */
function conformance(test: Test<Own>) {
  test.before.each(({ clock }) => void (clock.now += 10_000_000));

  test("what the limit allows passes at once, and nothing more", async ({ limits }) => {
    assert.is(await passed(limits, perMinute(20), "a", 25), 20);
    assert.is(await passed(limits, perMinute(20), "b", 1), 1, "another key has its own");
    assert.is(await passed(limits, { ...perMinute(20), name: "mails" }, "a", 1), 1, "and so has another limit");
  });

  test("all of the points pass or none, and a refusal uses nothing up", async ({ limits }) => {
    const limit = perMinute(10);
    assert.equal(await limits.take(limit, "c", 7), { passed: true, counted: true, remaining: 3, waitMs: 0 });
    for (let n = 0; n < 20; n++) {
      const { waitMs: _, ...refusal } = await limits.take(limit, "c", 4);
      assert.equal(refusal, { passed: false, counted: false, remaining: 3 });
    }
    assert.ok((await limits.take(limit, "c", 3)).passed);
    assert.not((await limits.take(limit, "c", 1)).passed);
    const { passed: fits, remaining } = await limits.take(limit, "never", 11);
    assert.equal([fits, remaining], [false, 10]);
  });

  test("the border of a minute is no way around it: in no 60 s do more than 10 pass, and little less", async ({
    limits,
    clock,
  }) => {
    const limit = perMinute(10);
    const times: number[] = [];
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const end = clock.now + 600_000;
    while (clock.now < end) {
      // Bursts, with pauses between them that are sometimes long enough for all to come free.
      clock.now += Math.floor(random() < 0.1 ? random() * 40_000 : random() * 1500);
      if ((await limits.take(limit, "d")).passed) times.push(clock.now);
    }
    for (const [index, at] of times.entries()) {
      const tenth = times[index + 10];
      assert.ok(tenth === undefined || tenth - at >= 60_000, `11 within ${(tenth ?? 0) - at} ms`);
    }
    assert.ok(times.length > 70, `${times.length} of about 100 passed`);
  });

  test("a refusal says when a point comes free, to the millisecond", async ({ limits, clock }) => {
    const limit = perMinute(3);
    assert.ok((await limits.take(limit, "e")).passed);
    clock.now += 20_500;
    assert.ok((await limits.take(limit, "e", 2)).passed);
    clock.now += 1234;
    const { waitMs } = await limits.take(limit, "e");
    assert.ok(waitMs >= 60_000 - 21_734 && waitMs <= 61_000 - 21_734, String(waitMs));
    clock.now += waitMs - 1;
    assert.is(await passed(limits, limit, "e", 5), 0);
    clock.now += 1;
    assert.is(await passed(limits, limit, "e", 5), 1);
    clock.now += 61_000;
    assert.is(await passed(limits, limit, "e", 5), 3, "an unused minute does not add up");
  });

  test("points that are given back can be taken again, and no more than there were", async ({ limits, clock }) => {
    const limit = perMinute(10);
    assert.ok((await limits.take(limit, "f", 6)).passed);
    clock.now += 30_000;
    assert.ok((await limits.take(limit, "f", 4)).passed);
    limits.giveBack(limit, "f", 3);
    assert.is(await passed(limits, limit, "f", 5), 3);
    limits.giveBack(limit, "f", 4);
    clock.now += 31_000;
    assert.is(await passed(limits, limit, "f", 20), 10, "the newest were given back, and the old ones have gone");
    limits.giveBack(limit, "f", 1000);
    limits.giveBack(limit, "nobody", 5);
    assert.is(await passed(limits, limit, "f", 20), 10, "never more than the limit");
    assert.is(await passed(limits, limit, "nobody", 20), 10);
  });

  test("a limit that is changed holds for what was counted before", async ({ limits, clock }) => {
    assert.is(await passed(limits, perMinute(10), "g", 10), 10);
    assert.is(await passed(limits, perMinute(12), "g", 5), 2);
    clock.now += 5000;
    assert.is(await passed(limits, perMinute(13), "g", 5), 1);
    const { waitMs, remaining } = await limits.take(perMinute(5), "g");
    assert.is(remaining, 0);
    clock.now += waitMs;
    assert.is(await passed(limits, perMinute(5), "g", 5), 4, "once what was counted is below it");
  });

  test("a clock that is set back lets nobody through", async ({ limits, clock }) => {
    assert.is(await passed(limits, perMinute(5), "h", 9), 5);
    clock.now -= 3000;
    assert.is(await passed(limits, perMinute(5), "h", 9), 0);
    clock.now += 3000 + 61_000;
    assert.is(await passed(limits, perMinute(5), "h", 9), 5);
  });
}

const inMemory = suite<Own>("rate limits in process");
inMemory.before((state) => {
  state.clock = { now: 1_750_000_000_123 };
  const { clock } = state;
  state.limits = openRateLimits({ redis: undefined, registry: new Registry(), now: () => clock.now });
});
conformance(inMemory);

inMemory("answers at once, without a promise", ({ limits }) => {
  assert.not(limits.take(perMinute(1), "z") instanceof Promise);
});

const inRedis = suite<Own>("rate limits in Redis");
inRedis.before(async (state) => {
  state.clock = { now: 1_750_000_000_123 };
  const { clock } = state;
  state.redis = await connected(await freshRedis());
  state.limits = openRateLimits({ redis: state.redis, registry: new Registry(), now: () => clock.now });
});
inRedis.after(({ redis }) => redis?.close());
conformance(inRedis);

inRedis("by the server's own clock it slides, and is forgotten when it is over", async ({ redis }) => {
  const limits = openRateLimits({ redis, registry: new Registry() });
  const limit = { name: "short", points: 4, seconds: 1 };
  assert.is(await passed(limits, limit, "a", 6), 4);
  const began = performance.now();
  await eventually(async () => (await limits.take(limit, "a", 4)).passed, { what: "all four are free again" });
  assert.ok(performance.now() - began > 900, "not before a second has passed");
  assert.is(await redis?.client.exists("limit:short:a"), 1);
  await eventually(async () => (await redis?.client.exists("limit:short:a")) === 0, { what: "it is forgotten" });
});

const sharing = suite("rate limits of several processes");

sharing("count together", async () => {
  const url = await freshRedis();
  const both = [await connected(url), await connected(url)];
  const processes = both.map((redis) => openRateLimits({ redis, registry: new Registry() }));
  const counts = await Promise.all(processes.map((limits) => passed(limits, perMinute(50), "a", 40)));
  assert.is(
    counts.reduce((sum, count) => sum + count),
    50,
  );
  for (const redis of both) await redis.close();
});

sharing("with Redis away or silent all pass, nobody waits for long, and it is counted", async () => {
  const server = await startRedis({ durable: false });
  const redis = await connected(server.url);
  const registry = new Registry();
  const limits = openRateLimits({ redis, registry });
  const unenforced = async () => {
    const { values } = (await registry.getMetricsAsJSON()).find(
      ({ name }) => name === "rate_limits_unenforced_total",
    ) ?? {
      values: [],
    };
    return values.map(({ labels, value }) => [labels["limit"], value]);
  };
  assert.is(await passed(limits, perMinute(1), "a", 3), 1);
  assert.equal(await unenforced(), []);

  const frozen = await createClient({ url: server.url }).connect();
  await frozen.sendCommand(["CLIENT", "PAUSE", "1500", "ALL"]);
  const began = performance.now();
  assert.is(await passed(limits, perMinute(1), "a", 3), 3);
  assert.ok(performance.now() - began < 600);
  assert.equal(await unenforced(), [["requests", 3]]);
  frozen.destroy();

  await server.kill();
  await eventually(() => !redis.isReady(), { what: "it is known to be away" });
  assert.not(limits.take(perMinute(1), "a") instanceof Promise, "nobody waits");
  limits.giveBack(perMinute(1), "a");
  assert.equal(await unenforced(), [["requests", 4]]);

  await server.start();
  await eventually(() => redis.isReady(), { what: "it is back" });
  assert.is(await passed(limits, perMinute(2), "a", 5), 2);
  await redis.close();
  await server.close();
});

inMemory.run();
inRedis.run();
sharing.run();
