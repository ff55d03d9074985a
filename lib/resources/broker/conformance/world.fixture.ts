/** A broker on its real server, queues that no other story knows, and a wire to the server that can be cut. */
import { suite, type Test } from "uvu";
import type { Broker, Delivery, Outcome, QueueDeclaration } from "../../../../runtime/broker.ts";
import { openLink, type Driver } from "../conformance.fixture.ts";

export const done: Outcome = { kind: "done" };

export interface World {
  readonly test: Test;
  readonly driver: Driver;
  readonly broker: Broker;
  readonly url: string;
  /** Of a queue. */
  newName(): string;
  /** Another broker, which ends with the story. */
  open(at?: string): Promise<Broker>;
  /** A queue that no other story knows, and its dead letter queue. */
  freshQueue(retryDelaysMs?: number[]): Promise<Required<QueueDeclaration>>;
  /** Consumes into a list. */
  collect(
    queue: string,
    outcome?: (delivery: Delivery) => Outcome,
    by?: Broker,
  ): Promise<{ got: (Delivery & { at: number })[]; drain(): Promise<void> }>;
  publishAll(queue: string, count: number): Promise<void>;
  /** How much is in a queue, in whatever state. */
  total(queue: string): Promise<number>;
  /** A wire to the server that can be cut, and is with the end of the story. */
  startLink(to: string): ReturnType<typeof openLink>;
  /** Closes it with the end of the story. */
  own<T extends { close(): unknown }>(one: T): T;
}

export function openWorld(driver: Driver): World {
  const test = suite(`broker: ${driver.name}`);
  const toClose: { close(): unknown }[] = [];
  let url = "";
  let broker: Broker | undefined;
  let names = 0;

  test.before(async () => {
    url = await driver.place();
    broker = await driver.open(url);
  });
  test.after.each(async () => {
    await Promise.all(toClose.splice(0).map((one) => one.close()));
  });
  test.after(() => broker?.close());

  const world: World = {
    test,
    driver,
    get broker() {
      if (!broker) throw new Error("The broker is not open yet");
      return broker;
    },
    get url() {
      return url;
    },
    newName: () => `queue-${++names}`,
    open: async (at = url) => world.own(await driver.open(at)),
    async freshQueue(retryDelaysMs = []) {
      const name = world.newName();
      const queue = { name, deadLetter: `failed-${name}`, retryDelaysMs };
      await world.broker.declare([queue]);
      return queue;
    },
    async collect(queue, outcome = () => done, by = world.broker) {
      const got: (Delivery & { at: number })[] = [];
      const consumer = await by.consume(queue, { concurrency: 10 }, async (delivery) => {
        got.push({ ...delivery, at: performance.now() });
        return outcome(delivery);
      });
      return { got, drain: () => consumer.drain() };
    },
    async publishAll(queue, count) {
      await Promise.all(Array.from({ length: count }, (_, n) => world.broker.publish(queue, n)));
    },
    async total(queue) {
      const { ready, delayed, active } = await world.broker.depth(queue);
      return ready + delayed + active;
    },
    async startLink(to) {
      const link = await openLink(new URL(to));
      toClose.push({ close: link.cut });
      return link;
    },
    own(one) {
      toClose.push(one);
      return one;
    },
  };
  return world;
}
