/** What becomes of a message. */
import * as assert from "uvu/assert";
import { eventually } from "../../../../ops/harness/test.ts";
import type { Delivery, Outcome } from "../../../../runtime/broker.ts";
import { refused } from "../conformance.fixture.ts";
import { done, type World } from "./world.fixture.ts";

export function messageStories(world: World): void {
  const { test, open, freshQueue, collect, publishAll, total } = world;

  test("what is published is delivered as it was, on its first attempt", async () => {
    const { name } = await freshQueue();
    const message = { mail_id: "m-1", odd: "\u0000 \ud83d\udc8c 郵件", list: [1, null, { a: true }] };
    await world.broker.publish(name, message, { traceparent: "00-aa-bb-01" });
    const { got, drain } = await collect(name);
    await eventually(() => got.length === 1, { what: "the delivery" });
    const { at: _at, ...delivery } = got[0] ?? { at: 0 };
    assert.equal(delivery, { message, attempt: 1, traceparent: "00-aa-bb-01" });
    await drain();
    assert.equal(await world.broker.depth(name), { ready: 0, delayed: 0, active: 0 });
  });

  test("an idle consumer gets a message at once", async () => {
    const { name } = await freshQueue();
    const { got, drain } = await collect(name, undefined, await open());
    const tries: number[] = [];
    for (let n = 1; n <= 10; n++) {
      const start = performance.now();
      await world.broker.publish(name, n);
      await eventually(() => got.length === n, { what: "the delivery" });
      tries.push((got[n - 1]?.at ?? Infinity) - start);
    }
    // Polling would take half a second; the machine may be busy with something else now and then.
    const quick = tries.toSorted((a, b) => a - b)[2] ?? Infinity;
    assert.ok(quick < 100, `took ${tries.map(Math.round).join(", ")} ms`);
    await drain();
  });

  test("a retry comes back after its delay with the next attempt number, and short delays pass long ones", async () => {
    const delays: Record<string, number[]> = { patient: [2000], hasty: [300, 300, 1000] };
    const { name } = await freshQueue([300, 1000, 2000]);
    const { got, drain } = await collect(name, ({ message, attempt }) => {
      const delayMs = delays[String(message)]?.[attempt - 1];
      return delayMs === undefined ? done : { kind: "retry", delayMs };
    });
    await world.broker.publish(name, "patient", { traceparent: "00-aa-bb-01" });
    await world.broker.publish(name, "hasty");
    await eventually(() => got.length === 6, { what: "all attempts", within: 8000 });
    const late = Object.entries(delays).flatMap(([message, expected]) => {
      const mine = got.filter((delivery) => delivery.message === message);
      assert.equal(
        mine.map(({ attempt }) => attempt),
        [1, 2, 3, 4].slice(0, expected.length + 1),
      );
      return expected.map((delay, n) => (mine[n + 1]?.at ?? Infinity) - (mine[n]?.at ?? 0) - delay);
    });
    assert.ok(Math.min(...late) > -50 && Math.max(...late) < 900, `late by ${late.map(Math.round).join(", ")} ms`);
    assert.is(got.findLast(({ message }) => message === "patient")?.traceparent, "00-aa-bb-01");
    await drain();
  });

  test("what is given up lies in the dead letter queue, with its reason", async () => {
    const { name, deadLetter } = await freshQueue([]);
    const { drain } = await collect(name, () => ({ kind: "dead", reason: "mailbox does not exist" }));
    await world.broker.publish(name, { mail_id: "m-2" }, { attempt: 3 });
    const dead = await collect(deadLetter);
    await eventually(() => dead.got.length === 1, { what: "the dead letter" });
    const { at: _at, ...letter } = dead.got[0] ?? { at: 0 };
    assert.equal(letter, { message: { mail_id: "m-2" }, attempt: 3, reason: "mailbox does not exist" });
    await Promise.all([drain(), dead.drain()]);
  });

  test("what is not JSON is given up, too", async () => {
    const { name, deadLetter } = await freshQueue();
    const { got, drain } = await collect(name);
    await world.driver.putRaw(world.url, name, "{oops");
    await eventually(async () => (await world.broker.depth(deadLetter)).ready === 1, { what: "the dead letter" });
    const dead = await collect(deadLetter);
    // Not JSON in the dead letter queue either: there it is given up for good, instead of going round.
    await eventually(async () => (await world.broker.depth(deadLetter)).ready === 0 && (await total(name)) === 0, {
      what: "both queues are empty",
    });
    await world.broker.publish(name, "next");
    await eventually(() => got.length === 1, { what: "the next message" });
    await Promise.all([drain(), dead.drain()]);
  });

  test("chosen messages are taken out of a dead letter queue; the others stay as they were, in their order", async () => {
    const { name, deadLetter } = await freshQueue();
    const consumer = await world.broker.consume(name, { concurrency: 1 }, async ({ message }) => {
      return { kind: "dead", reason: `reason ${String(message)}` };
    });
    for (let n = 1; n <= 250; n++) await world.broker.publish(name, n, { attempt: 3, traceparent: "00-aa-bb-01" });
    await world.driver.putRaw(world.url, deadLetter, "{oops");
    for (const count of [50, 100, 150, 200, 251]) {
      const isSo = async () => (await world.broker.depth(deadLetter)).ready >= count;
      await eventually(isSo, { what: `${count} dead letters` });
    }
    const isThird = (message: unknown) => Number(message) % 3 === 0;
    assert.is(await world.broker.take(deadLetter, async (message) => isThird(message)), 83);
    assert.is(await world.broker.take(deadLetter, isThird), 0);
    assert.is((await world.broker.depth(deadLetter)).ready, 168, "and what is none of ours stays, too");
    // One after the other: of several that are fetched at once, pg-boss tells no order.
    const got: Delivery[] = [];
    const left = await world.broker.consume(deadLetter, { concurrency: 1 }, async (delivery) => {
      got.push(delivery);
      return done;
    });
    for (const count of [50, 100, 167]) await eventually(() => got.length >= count, { what: `${count} of the rest` });
    const numbers = got.map(({ message }) => Number(message));
    assert.equal(
      numbers,
      Array.from({ length: 250 }, (_, n) => n + 1).filter((n) => !isThird(n)),
    );
    assert.equal(got[0], { message: 1, attempt: 3, reason: "reason 1", traceparent: "00-aa-bb-01" });
    await Promise.all([consumer.drain(), left.drain()]);
  });

  test("taking that fails half way leaves every message that was not taken", async () => {
    const { name, deadLetter } = await freshQueue();
    for (let n = 1; n <= 5; n++) await world.broker.publish(deadLetter, n);
    const failing = world.broker.take(deadLetter, (message) => {
      if (message === 3) throw new Error("cannot tell");
      return message === 1;
    });
    await refused(failing, /cannot tell/);
    const left = await collect(deadLetter);
    await eventually(() => [2, 3, 4, 5].every((n) => left.got.some(({ message }) => message === n)), {
      what: "all that was not wanted",
    });
    await left.drain();
    assert.is(await total(name), 0);
  });

  test("declaring is idempotent, in one process and in many at once on an empty server", async () => {
    const queue = await freshQueue([1000]);
    await world.broker.declare([queue]);
    const place = await world.driver.place();
    const many = await Promise.all([open(place), open(place), open(place)]);
    await Promise.all(many.map((one) => one.declare([queue])));
    for (const one of many) await one.publish(queue.name, "x");
    assert.is((await many[0]?.depth(queue.name))?.ready, 3);
  });

  test("depth tells what waits, what is delayed and what is worked on", async () => {
    const { name } = await freshQueue([60_000]);
    await publishAll(name, 4);
    await world.broker.publish(name, "later", { delayMs: 60_000 });
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const consumer = await world.broker.consume(name, { concurrency: 1 }, () => promise);
    await eventually(
      async () => JSON.stringify(await world.broker.depth(name)) === `{"ready":3,"delayed":1,"active":1}`,
      {
        what: "3 ready, 1 delayed, 1 active",
      },
    );
    resolve(done);
    await consumer.drain();
  });

  test("publishing to a queue that nobody declared, or with such a delay, is refused", async () => {
    const { name } = await freshQueue([1000]);
    await refused(world.broker.publish("no-such-queue", 1), /no-such-queue/);
    await refused(world.broker.publish(name, 1, { delayMs: 77 }), /delay of 77 ms/);
    await refused(world.broker.publish(name, undefined), /must be JSON/);
    await world.broker.publish(name, "still works");
  });
}
