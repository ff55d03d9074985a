import { connect as connectAmqp } from "amqplib";
import * as assert from "uvu/assert";
import { eventually } from "../../../ops/harness/test.ts";
import { conformance } from "./conformance/stories.fixture.ts";
import { rabbitMq, refused } from "./conformance.fixture.ts";

const world = conformance(rabbitMq);
const { test, open, own, freshQueue, collect, startLink } = world;

test("a queue that exists with other properties is told in a plain sentence", async () => {
  const connection = own(await connectAmqp(world.url));
  const channel = await connection.createChannel();
  await channel.assertQueue("old-queue", { durable: true });
  const queue = { name: "old-queue", retryDelaysMs: [], deadLetter: "failed-mails" };
  await refused(world.broker.declare([queue]), /Queue "old-queue" exists .*inequivalent arg '.+' .* Delete it/);
  assert.ok(world.broker.isConnected(), "and nothing else suffers");

  const link = await startLink(world.url);
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
  const connection = own(await connectAmqp(world.url));
  const channel = await connection.createChannel();
  await channel.deleteExchange("retry-queue.1s");
  await refused(world.broker.publish(name, 1, { delayMs: 1000 }), /did not take/); // RabbitMQ closes the channel for this
  await eventually(() => world.broker.publish(name, 2, { delayMs: 1000 }).then(() => true), { what: "repaired" });
  await eventually(() => got.length === 1, { what: "the delivery" });
  assert.is((await channel.checkQueue(name)).consumerCount, 1);
  await drain();
});

test("a deleted queue comes back, and its consumer with it", async () => {
  const { name } = await freshQueue();
  const { got, drain } = await collect(name);
  const connection = await connectAmqp(world.url);
  await (await connection.createChannel()).deleteQueue(name);
  await connection.close();
  await eventually(() => world.broker.publish(name, 1).then(() => true), { what: "publishing works again" });
  await eventually(() => got.length === 1, { what: "the delivery" });
  await drain();
});

function refusedSoon(act: () => Promise<unknown>, why: RegExp): Promise<unknown> {
  return eventually(() => refused(act(), why).then(() => true), { what: String(why) });
}

test.run();
