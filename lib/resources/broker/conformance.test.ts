/** What every broker promises, told once and run against each driver on its real server. */
import { connect as connectAmqp } from "amqplib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../../ops/harness/test.ts";
import type { Broker, Delivery, Outcome, QueueDeclaration } from "../../../runtime/broker.ts";
import { drivers, inLessThan, openLink, refused, tick } from "./conformance.fixture.ts";

const done: Outcome = { kind: "done" };

for (const driver of drivers) {
  const test = suite(`broker: ${driver.name}`);
  const toClose: { close(): unknown }[] = [];
  let url = "";
  let broker: Broker;
  let stories = 0;

  async function open(at = url): Promise<Broker> {
    const opened = await driver.open(at);
    toClose.push(opened);
    return opened;
  }

  /** A queue that no other story knows, and its dead letter queue. */
  async function freshQueue(retryDelaysMs: number[] = []): Promise<Required<QueueDeclaration>> {
    const queue = { name: `queue-${++stories}`, deadLetter: `failed-${stories}`, retryDelaysMs };
    await broker.declare([queue]);
    return queue;
  }

  /** Consumes into a list. */
  async function collect(queue: string, outcome: (delivery: Delivery) => Outcome = () => done, by = broker) {
    const got: (Delivery & { at: number })[] = [];
    const consumer = await by.consume(queue, { concurrency: 10 }, async (delivery) => {
      got.push({ ...delivery, at: performance.now() });
      return outcome(delivery);
    });
    return { got, drain: () => consumer.drain() };
  }

  test.before(async () => {
    url = await driver.place();
    broker = await driver.open(url);
  });
  test.after.each(async () => {
    await Promise.all(toClose.splice(0).map((one) => one.close()));
  });
  test.after(() => broker.close());

  test("what is published is delivered as it was, on its first attempt", async () => {
    const { name } = await freshQueue();
    const message = { mail_id: "m-1", odd: "\u0000 \ud83d\udc8c 郵件", list: [1, null, { a: true }] };
    await broker.publish(name, message, { traceparent: "00-aa-bb-01" });
    const { got, drain } = await collect(name);
    await eventually(() => got.length === 1, { what: "the delivery" });
    const { at: _at, ...delivery } = got[0] ?? { at: 0 };
    assert.equal(delivery, { message, attempt: 1, traceparent: "00-aa-bb-01" });
    await drain();
    assert.equal(await broker.depth(name), { ready: 0, delayed: 0, active: 0 });
  });

  test("an idle consumer gets a message at once", async () => {
    const { name } = await freshQueue();
    const { got, drain } = await collect(name, undefined, await open());
    const tries: number[] = [];
    for (let n = 1; n <= 10; n++) {
      const start = performance.now();
      await broker.publish(name, n);
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
    await inLessThan(900, async () => {
      const { name } = await freshQueue([300, 1000, 2000]);
      const { got, drain } = await collect(name, ({ message, attempt }) => {
        const delayMs = delays[String(message)]?.[attempt - 1];
        return delayMs === undefined ? done : { kind: "retry", delayMs };
      });
      await broker.publish(name, "patient", { traceparent: "00-aa-bb-01" });
      await broker.publish(name, "hasty");
      await eventually(() => got.length === 6, { what: "all attempts", within: 8000 });
      const late = Object.entries(delays).flatMap(([message, expected]) => {
        const mine = got.filter((delivery) => delivery.message === message);
        assert.equal(
          mine.map(({ attempt }) => attempt),
          [1, 2, 3, 4].slice(0, expected.length + 1),
        );
        return expected.map((delay, n) => (mine[n + 1]?.at ?? Infinity) - (mine[n]?.at ?? 0) - delay);
      });
      assert.ok(Math.min(...late) > -50, `late by ${late.map(Math.round).join(", ")} ms`);
      assert.is(got.findLast(({ message }) => message === "patient")?.traceparent, "00-aa-bb-01");
      await drain();
      return Math.max(...late);
    });
  });

  test("what is given up lies in the dead letter queue, with its reason", async () => {
    const { name, deadLetter } = await freshQueue([]);
    const { drain } = await collect(name, () => ({ kind: "dead", reason: "mailbox does not exist" }));
    await broker.publish(name, { mail_id: "m-2" }, { attempt: 3 });
    const dead = await collect(deadLetter);
    await eventually(() => dead.got.length === 1, { what: "the dead letter" });
    const { at: _at, ...letter } = dead.got[0] ?? { at: 0 };
    assert.equal(letter, { message: { mail_id: "m-2" }, attempt: 3, reason: "mailbox does not exist" });
    await Promise.all([drain(), dead.drain()]);
  });

  test("what is not JSON is given up, too", async () => {
    const { name, deadLetter } = await freshQueue();
    const { got, drain } = await collect(name);
    await driver.putRaw(url, name, "{oops");
    await eventually(async () => (await broker.depth(deadLetter)).ready === 1, { what: "the dead letter" });
    const dead = await collect(deadLetter);
    // Not JSON in the dead letter queue either: there it is given up for good, instead of going round.
    await eventually(async () => (await broker.depth(deadLetter)).ready === 0 && (await total(name)) === 0, {
      what: "both queues are empty",
    });
    await broker.publish(name, "next");
    await eventually(() => got.length === 1, { what: "the next message" });
    await Promise.all([drain(), dead.drain()]);
  });

  test("a consumer never has more in hand than its concurrency", async () => {
    const { name } = await freshQueue();
    let running = 0;
    let most = 0;
    let handled = 0;
    await publishAll(name, 100);
    const consumer = await broker.consume(name, { concurrency: 5 }, async () => {
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
    const oldConsumer = await broker.consume(name, { concurrency: 10 }, handle(old));
    const published = publishAll(name, 500);
    await eventually(() => old.started > 100, { what: "the old one works" });
    const freshConsumer = await broker.consume(name, { concurrency: 10 }, handle(fresh));
    const drained = oldConsumer.drain();
    const startedByOld = old.started;
    await drained;
    assert.is(old.started, startedByOld, "takes nothing new");
    await published;
    await eventually(() => seen.size === 500, { what: "all messages", within: 15_000 });
    await freshConsumer.drain();
    assert.is(old.started + fresh.started, 500, "none twice");
    assert.equal(await broker.depth(name), { ready: 0, delayed: 0, active: 0 });
  });

  test("drain waits for what is in hand", async () => {
    const { name } = await freshQueue();
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    let started = 0;
    const consumer = await broker.consume(name, { concurrency: 2 }, () => {
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
    const consumer = await broker.consume(name, { concurrency: 5 }, async () => {
      started++;
      return done;
    });
    await consumer.drain();
    await eventually(async () => (await broker.depth(name)).ready === 5 - started, { what: "the rest", within: 2000 });
    assert.is((await broker.depth(name)).active, 0);
  });

  test("what is given back untried comes again as the same attempt: to its old place, or behind the rest", async () => {
    for (const at of ["front", "end"] as const) {
      const { name } = await freshQueue();
      const order: unknown[] = [];
      let refusals = 1;
      for (const message of ["a", "b", "c"])
        await broker.publish(name, message, { attempt: 2, traceparent: "00-aa-bb-01" });
      const consumer = await broker.consume(name, { concurrency: 1 }, async ({ message, attempt, traceparent }) => {
        order.push(message);
        assert.equal([attempt, traceparent], [2, "00-aa-bb-01"]);
        return refusals-- > 0 ? { kind: "requeue", at } : done;
      });
      await eventually(() => order.length === 4, { what: "all three, and the first again" });
      assert.equal(order, at === "front" ? ["a", "a", "b", "c"] : ["a", "b", "c", "a"]);
      await consumer.drain();
      assert.is(await total(name), 0);
    }
  });

  test("a consumer that has stopped takes nothing new, finishes what it has, and may give back what it has not begun", async () => {
    const { name } = await freshQueue();
    const hands: PromiseWithResolvers<Outcome>[] = [];
    const consumer = await broker.consume(name, { concurrency: 3 }, () => {
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

  test("chosen messages are taken out of a dead letter queue; the others stay as they were, in their order", async () => {
    const { name, deadLetter } = await freshQueue();
    const consumer = await broker.consume(name, { concurrency: 1 }, async ({ message }) => {
      return { kind: "dead", reason: `reason ${String(message)}` };
    });
    for (let n = 1; n <= 250; n++) await broker.publish(name, n, { attempt: 3, traceparent: "00-aa-bb-01" });
    await driver.putRaw(url, deadLetter, "{oops");
    for (const count of [50, 100, 150, 200, 251]) {
      const isSo = async () => (await broker.depth(deadLetter)).ready >= count;
      await eventually(isSo, { what: `${count} dead letters` });
    }
    const isThird = (message: unknown) => Number(message) % 3 === 0;
    assert.is(await broker.take(deadLetter, async (message) => isThird(message)), 83);
    assert.is(await broker.take(deadLetter, isThird), 0);
    assert.is((await broker.depth(deadLetter)).ready, 168, "and what is none of ours stays, too");
    const left = await collect(deadLetter);
    await eventually(() => left.got.length === 167, { what: "the rest" });
    const numbers = left.got.map(({ message }) => Number(message));
    assert.equal(
      numbers,
      Array.from({ length: 250 }, (_, n) => n + 1).filter((n) => !isThird(n)),
    );
    const { at: _at, ...letter } = left.got[0] ?? { at: 0 };
    assert.equal(letter, { message: 1, attempt: 3, reason: "reason 1", traceparent: "00-aa-bb-01" });
    await Promise.all([consumer.drain(), left.drain()]);
  });

  test("taking that fails half way leaves every message that was not taken", async () => {
    const { name, deadLetter } = await freshQueue();
    for (let n = 1; n <= 5; n++) await broker.publish(deadLetter, n);
    const failing = broker.take(deadLetter, (message) => {
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

  test("two consumers in two processes share a queue", async () => {
    const { name } = await freshQueue();
    const counts = [0, 0];
    const seen = new Set<unknown>();
    const consumers = await Promise.all(
      [broker, await open()].map((one, n) =>
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
    await broker.publish(name, "x");
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
    const link = await startLink(url);
    const doomed = await open(link.url);
    let taken = 0;
    await doomed.consume(name, { concurrency: 1 }, () => {
      taken++;
      return new Promise<Outcome>(() => {});
    });
    await broker.publish(name, "survivor");
    await eventually(() => taken === 1, { what: "taken by the doomed" });
    link.cut();
    const { got, drain } = await collect(name);
    await eventually(() => got.length === 1, { what: "delivered again", within: 8000 });
    assert.equal([got[0]?.message, got[0]?.attempt], ["survivor", 1]);
    await drain();
  });

  test("declaring is idempotent, in one process and in many at once on an empty server", async () => {
    const queue = await freshQueue([1000]);
    await broker.declare([queue]);
    const place = await driver.place();
    const many = await Promise.all([open(place), open(place), open(place)]);
    await Promise.all(many.map((one) => one.declare([queue])));
    for (const one of many) await one.publish(queue.name, "x");
    assert.is((await many[0]?.depth(queue.name))?.ready, 3);
  });

  test("depth tells what waits, what is delayed and what is worked on", async () => {
    const { name } = await freshQueue([60_000]);
    await publishAll(name, 4);
    await broker.publish(name, "later", { delayMs: 60_000 });
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const consumer = await broker.consume(name, { concurrency: 1 }, () => promise);
    await eventually(async () => JSON.stringify(await broker.depth(name)) === `{"ready":3,"delayed":1,"active":1}`, {
      what: "3 ready, 1 delayed, 1 active",
    });
    resolve(done);
    await consumer.drain();
  });

  test("publishing to a queue that nobody declared, or with such a delay, is refused", async () => {
    const { name } = await freshQueue([1000]);
    await refused(broker.publish("no-such-queue", 1), /no-such-queue/);
    await refused(broker.publish(name, 1, { delayMs: 77 }), /delay of 77 ms/);
    await refused(broker.publish(name, undefined), /must be JSON/);
    await broker.publish(name, "still works");
  });

  test("with the server away publishing fails at once; when it is back, all goes on by itself", async () => {
    const { name } = await freshQueue();
    const link = await startLink(url);
    const mine = await open(link.url);
    const { got, drain } = await collect(name, () => done, mine);
    await mine.publish(name, "before");
    await eventually(() => got.length === 1, { what: "delivery before" });

    link.cut();
    const start = performance.now();
    await refused(mine.publish(name, "during"), /./);
    assert.ok(performance.now() - start < 1000);
    await eventually(() => !mine.isConnected(), { what: "it knows" });
    await refused(mine.publish(name, "during"), /away/);

    await link.restore();
    await eventually(() => mine.isConnected(), { what: "connected again" });
    await mine.publish(name, "after");
    await eventually(() => got.some(({ message }) => message === "after"), { what: "delivery after" });
    assert.not(
      got.some(({ message }) => message === "during"),
      "what was refused is not sent later",
    );
    await drain();
  });

  test("a lost connection rejects the publishes that wait for their confirmation", async () => {
    const { name } = await freshQueue();
    const link = await startLink(url);
    const mine = await open(link.url);
    await mine.publish(name, 0);
    link.freeze();
    const waiting = Promise.allSettled(Array.from({ length: 50 }, (_, n) => mine.publish(name, n)));
    link.cut();
    const start = performance.now();
    const results = await waiting;
    assert.ok(performance.now() - start < 1000);
    assert.ok(results.every(({ status }) => status === "rejected"));
  });

  test("it opens, declares and closes without the server, and starts to work when that comes", async () => {
    const link = await startLink(url);
    link.cut();
    const mine = await open(link.url);
    const name = `queue-${++stories}`;
    await mine.declare([{ name, retryDelaysMs: [] }]);
    const { got } = await collect(name, () => done, mine);
    assert.not(mine.isConnected());
    await refused(mine.publish(name, 1), /away/);

    const other = await driver.open(link.url);
    const start = performance.now();
    await other.close();
    await other.close();
    assert.ok(performance.now() - start < 1000);

    await link.restore();
    await eventually(() => mine.isConnected(), { what: "connected" });
    await mine.publish(name, 1);
    await eventually(() => got.length === 1, { what: "the delivery" });
  });

  test("it closes quickly when the server hangs", async () => {
    await inLessThan(1000, async () => {
      const { name } = await freshQueue();
      const link = await startLink(url);
      const mine = await open(link.url);
      const { got } = await collect(name, () => done, mine);
      await mine.publish(name, 1);
      await eventually(() => got.length === 1, { what: "the delivery" });
      link.freeze();
      const start = performance.now();
      await mine.close();
      return performance.now() - start;
    });
  });

  if (driver.name === "rabbitmq") {
    test("a queue that exists with other properties is told in a plain sentence", async () => {
      const connection = await connectAmqp(url);
      toClose.push(connection);
      const channel = await connection.createChannel();
      await channel.assertQueue("old-queue", { durable: true });
      const queue = { name: "old-queue", retryDelaysMs: [], deadLetter: "failed-mails" };
      await refused(broker.declare([queue]), /Queue "old-queue" exists .*inequivalent arg '.+' .* Delete it/);
      assert.ok(broker.isConnected(), "and nothing else suffers");

      const link = await startLink(url);
      link.cut();
      const late = await open(link.url);
      await late.declare([queue]);
      await link.restore();
      await refusedSoon(() => late.publish("old-queue", 1), /Queue "old-queue" exists/);
      assert.not(late.isConnected());
      await channel.deleteQueue("old-queue");
      await eventually(() => late.isConnected(), { what: "it goes on once the queue is gone" });
      await late.publish("old-queue", 1);
    });

    test("a lost publishing channel is replaced, without a second consumer", async () => {
      const { name } = await freshQueue([1000]);
      const { got, drain } = await collect(name);
      const connection = await connectAmqp(url);
      toClose.push(connection);
      const channel = await connection.createChannel();
      await channel.deleteExchange("retry-queue.1s");
      await refused(broker.publish(name, 1, { delayMs: 1000 }), /did not take/); // RabbitMQ closes the channel for this
      await eventually(() => broker.publish(name, 2, { delayMs: 1000 }).then(() => true), { what: "repaired" });
      await eventually(() => got.length === 1, { what: "the delivery" });
      assert.is((await channel.checkQueue(name)).consumerCount, 1);
      await drain();
    });

    test("a deleted queue comes back, and its consumer with it", async () => {
      const { name } = await freshQueue();
      const { got, drain } = await collect(name);
      const connection = await connectAmqp(url);
      await (await connection.createChannel()).deleteQueue(name);
      await connection.close();
      await eventually(() => broker.publish(name, 1).then(() => true), { what: "publishing works again" });
      await eventually(() => got.length === 1, { what: "the delivery" });
      await drain();
    });
  }

  if (driver.name === "pg-boss") {
    test("a consumer that is alive keeps its message for as long as it works", async () => {
      const { name } = await freshQueue();
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      let taken = 0;
      const consumer = await broker.consume(name, { concurrency: 2 }, () => {
        taken++;
        return promise;
      });
      await broker.publish(name, "long");
      const until = performance.now() + 4500; // pg-boss would have repeated it after 4 s
      await eventually(() => performance.now() > until, { what: "time passes", within: 6000 });
      resolve(done);
      await consumer.drain();
      assert.is(taken, 1);
    });
  }

  async function publishAll(queue: string, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, n) => broker.publish(queue, n)));
  }

  async function total(queue: string): Promise<number> {
    const { ready, delayed, active } = await broker.depth(queue);
    return ready + delayed + active;
  }

  /** A wire to the server that can be cut. */
  async function startLink(to: string) {
    const link = await openLink(new URL(to));
    toClose.push({ close: link.cut });
    return link;
  }

  test.run();
}

function refusedSoon(act: () => Promise<unknown>, why: RegExp): Promise<unknown> {
  return eventually(() => refused(act(), why).then(() => true), { what: String(why) });
}
