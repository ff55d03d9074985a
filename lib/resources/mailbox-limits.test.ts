import { pino } from "pino";
import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startRedis, type Server } from "../../ops/harness/services.ts";
import { eventually } from "../../ops/harness/eventually.ts";
import { openMailboxLimits, type MailboxLimits, type Place } from "./mailbox-limits.ts";
import { openRedis, type Redis } from "./redis.ts";

const mailbox = "sales@corp.example";
const { signal } = new AbortController();

interface State {
  server: Server;
  /** One process of those that share a server. */
  join: (limits: { messagesPerMinute?: number; concurrency?: number }) => Promise<Process>;
  joined: Redis[];
}

interface Process {
  limits: MailboxLimits;
  log: string[];
  registry: Registry;
}

const test = suite<State>("mailbox limits");

test.before(async (state) => {
  state.server = await startRedis({ durable: false });
});
test.before.each((state) => {
  state.joined = [];
  state.join = async (given) => {
    const log: string[] = [];
    const redis = openRedis({ url: state.server.url, log: pino({ level: "silent" }) });
    state.joined.push(redis);
    await eventually(() => redis.isReady(), { what: "Redis" });
    const registry = new Registry();
    const logger = pino({}, { write: (line: string) => void log.push(line) });
    const options = { messagesPerMinute: 0, concurrency: 0, ...given, redis, registry, log: logger };
    return { limits: openMailboxLimits(options), log, registry };
  };
});
test.after.each(async ({ joined }) => {
  const [first] = joined;
  if (first?.isReady()) await first.client.flushAll();
  for (const redis of joined) await redis.close();
});
test.after(({ server }) => server.close());

async function placed(limits: MailboxLimits, mail: string): Promise<Place> {
  const place = await limits.enter(mailbox, mail, signal);
  if (place.kind === "held") throw new Error(`held: ${place.reason}`);
  return place;
}

test("two processes share a mailbox's minute", async ({ join }) => {
  const [one, two] = await Promise.all([join({ messagesPerMinute: 2 }), join({ messagesPerMinute: 2 })]);
  for (const { limits } of [one, two]) {
    const place = await placed(limits, `of ${[one, two].findIndex((process) => process.limits === limits)}`);
    assert.is(await place.depart(signal), undefined);
    await place.leave();
  }
  for (const { limits } of [one, two]) {
    const held = await limits.enter(mailbox, "third", signal);
    assert.is(held.kind, "held");
    if (held.kind === "held") assert.ok(held.delayMs > 55_000 && held.delayMs <= 60_500, String(held.delayMs));
  }
});

test("a mail that could not go leaves its part of the minute to itself", async ({ join }) => {
  const { limits } = await join({ messagesPerMinute: 1 });
  await (await placed(limits, "a")).leave();
  assert.is((await limits.enter(mailbox, "b", signal)).kind, "held");
  const again = await placed(limits, "a");
  assert.is(await again.depart(signal), undefined);
  assert.is((await again.depart(signal))?.kind, "held", "once");
});

test("two processes share a mailbox's places; who waits gets the next, or comes again", async ({ join }) => {
  const [one, two] = await Promise.all([join({ concurrency: 1 }), join({ concurrency: 1 })]);
  const first = await placed(one.limits, "a");
  const second = placed(two.limits, "b");
  await first.leave();
  const third = two.limits.enter(mailbox, "c", signal);
  const place = await second;
  const held = await third;
  assert.is(held.kind, "held");
  if (held.kind === "held") assert.ok(held.delayMs >= 1000 && held.delayMs <= 2000);
  await place.leave();
  await (await placed(one.limits, "c")).leave();
});

test("who waits is told when its time is over", async ({ join }) => {
  const { limits } = await join({ concurrency: 1 });
  await placed(limits, "a");
  const call = new AbortController();
  const waiting = limits.enter(mailbox, "b", call.signal).catch((error: unknown) => error);
  call.abort();
  assert.instance(await waiting, Error);
});

test("with KeyDB away each process keeps the limits for itself, and says so once", async ({ join, server }) => {
  const { limits, log, registry } = await join({ messagesPerMinute: 2, concurrency: 3 });
  await (await placed(limits, "before")).depart(signal);
  await server.kill();
  for (const mail of ["a", "b"]) {
    const place = await placed(limits, mail);
    assert.is(await place.depart(signal), undefined);
    await place.leave();
  }
  assert.is((await limits.enter(mailbox, "c", signal)).kind, "held");
  assert.is(log.length, 1, log.join());
  assert.match(log[0] ?? "", "each process keeps the limits of mailboxes for itself");
  assert.match(await registry.metrics(), /mailbox_limits_unshared_total [1-9]/);
});

test.run();
