/** What consumers do and leave to each other. */
import * as assert from "uvu/assert";
import { eventually } from "../../../../ops/harness/test.ts";
import type { Delivery, Outcome } from "../../../../runtime/broker.ts";
import { tick } from "../conformance.fixture.ts";
import { done, type World } from "./world.fixture.ts";

export function consumerStories(world: World): void {
  const { test, open, freshQueue, collect, publishAll, total, startLink } = world;

  test("a consumer never has more in hand than its concurrency", async () => {
    const { name } = await freshQueue();
    let running = 0;
    let most = 0;
    let handled = 0;
    await publishAll(name, 100);
    const consumer = await world.broker.consume(name, { concurrency: 5 }, async () => {
      most = Math.max(most, ++running);
      await tick(5);
      running--;
      handled++;
      return done;
    });
    await eventually(() => handled === 100, { what: "all handled" });
    assert.is(most, 5);
    await consumer.drain();
  });

  test("a swap of consumers neither loses nor doubles a message", async () => {
    const { name } = await freshQueue();
    const seen = new Map<unknown, number>();
    const handle = (by: { started: number }) => async (delivery: Delivery) => {
      by.started++;
      await tick(10);
      seen.set(delivery.message, (seen.get(delivery.message) ?? 0) + 1);
      return done;
    };
    const [old, fresh] = [{ started: 0 }, { started: 0 }];
    const oldConsumer = await world.broker.consume(name, { concurrency: 10 }, handle(old));
    const published = publishAll(name, 500);
    await eventually(() => old.started > 100, { what: "the old one works" });
    const freshConsumer = await world.broker.consume(name, { concurrency: 10 }, handle(fresh));
    const drained = oldConsumer.drain();
    const startedByOld = old.started;
    await drained;
    assert.is(old.started, startedByOld, "takes nothing new");
    await published;
    await eventually(() => seen.size === 500, { what: "all messages", within: 15_000 });
    await freshConsumer.drain();
    assert.is(old.started + fresh.started, 500, "none twice");
    assert.equal(await world.broker.depth(name), { ready: 0, delayed: 0, active: 0 });
  });

  test("drain waits for what is in hand", async () => {
    const { name } = await freshQueue();
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    let started = 0;
    const consumer = await world.broker.consume(name, { concurrency: 2 }, () => {
      started++;
      return promise;
    });
    await publishAll(name, 3);
    await eventually(() => started === 2, { what: "two in hand" });
    let drained = false;
    const draining = consumer.drain().then(() => (drained = true));
    assert.is(await total(name), 3);
    assert.not(drained);
    resolve(done);
    await draining;
    assert.is(started, 2);
    const rest = await collect(name);
    await eventually(() => rest.got.length === 1, { what: "the third, by another consumer" });
    await rest.drain();
  });

  test("a consumer that is drained as soon as it starts leaves the rest to others at once", async () => {
    const { name } = await freshQueue();
    await publishAll(name, 5);
    let started = 0;
    const consumer = await world.broker.consume(name, { concurrency: 5 }, async () => {
      started++;
      return done;
    });
    await consumer.drain();
    await eventually(async () => (await world.broker.depth(name)).ready === 5 - started, {
      what: "the rest",
      within: 2000,
    });
    assert.is((await world.broker.depth(name)).active, 0);
  });

  test("what is given back untried comes again as the same attempt: to its old place, or behind the rest", async () => {
    for (const at of ["front", "end"] as const) {
      const { name } = await freshQueue();
      const order: unknown[] = [];
      let refusals = 1;
      for (const message of ["a", "b", "c"])
        await world.broker.publish(name, message, { attempt: 2, traceparent: "00-aa-bb-01" });
      const consumer = await world.broker.consume(
        name,
        { concurrency: 1 },
        async ({ message, attempt, traceparent }) => {
          order.push(message);
          assert.equal([attempt, traceparent], [2, "00-aa-bb-01"]);
          return refusals-- > 0 ? { kind: "requeue", at } : done;
        },
      );
      await eventually(() => order.length === 4, { what: "all three, and the first again" });
      assert.equal(order, at === "front" ? ["a", "a", "b", "c"] : ["a", "b", "c", "a"]);
      await consumer.drain();
      assert.is(await total(name), 0);
    }
  });

  test("a consumer that has stopped takes nothing new, finishes what it has, and may give back what it has not begun", async () => {
    const { name } = await freshQueue();
    const hands: PromiseWithResolvers<Outcome>[] = [];
    const consumer = await world.broker.consume(name, { concurrency: 3 }, () => {
      const hand = Promise.withResolvers<Outcome>();
      hands.push(hand);
      return hand.promise;
    });
    await publishAll(name, 5);
    await eventually(() => hands.length === 3, { what: "three in hand" });
    await consumer.stop();
    for (const hand of hands.slice(1)) hand.resolve({ kind: "requeue", at: "front" });
    const rest = await collect(name, undefined, await open());
    await eventually(() => rest.got.length === 4, { what: "the two given back, and the two that waited" });
    hands[0]?.resolve(done);
    await consumer.drain();
    await rest.drain();
    assert.is(hands.length, 3);
    assert.is(new Set(rest.got.map(({ message }) => message)).size, 4);
    assert.is(await total(name), 0);
  });

  test("two consumers in two processes share a queue", async () => {
    const { name } = await freshQueue();
    const counts = [0, 0];
    const seen = new Set<unknown>();
    const consumers = await Promise.all(
      [world.broker, await open()].map((one, n) =>
        one.consume(name, { concurrency: 3 }, async ({ message }) => {
          counts[n] = (counts[n] ?? 0) + 1;
          seen.add(message);
          await tick(5);
          return done;
        }),
      ),
    );
    await publishAll(name, 200);
    await eventually(() => seen.size === 200, { what: "all messages" });
    await Promise.all(consumers.map((consumer) => consumer.drain()));
    assert.is((counts[0] ?? 0) + (counts[1] ?? 0), 200);
    assert.ok(
      counts.every((count) => count > 10),
      `shared as ${counts.join(" and ")}`,
    );
  });

  test("a handler that throws gets the message again, as the same attempt", async () => {
    const { name } = await freshQueue();
    let failures = 2;
    const { got, drain } = await collect(name, () => {
      if (failures-- > 0) throw new Error("a bug");
      return done;
    });
    await world.broker.publish(name, "x");
    await eventually(() => got.length === 3, { what: "three deliveries", within: 8000 });
    assert.equal(
      got.map(({ attempt }) => attempt),
      [1, 1, 1],
    );
    await drain();
    assert.is(await total(name), 0);
  });

  test("the message of a consumer that died is delivered to another", async () => {
    const { name } = await freshQueue();
    const link = await startLink(world.url);
    const doomed = await open(link.url);
    let taken = 0;
    await doomed.consume(name, { concurrency: 1 }, () => {
      taken++;
      return new Promise<Outcome>(() => {});
    });
    await world.broker.publish(name, "survivor");
    await eventually(() => taken === 1, { what: "taken by the doomed" });
    link.cut();
    const { got, drain } = await collect(name);
    await eventually(() => got.length === 1, { what: "delivered again", within: 8000 });
    assert.equal([got[0]?.message, got[0]?.attempt], ["survivor", 1]);
    await drain();
  });
}
