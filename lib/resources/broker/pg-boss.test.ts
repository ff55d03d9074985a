import * as assert from "uvu/assert";
import { eventually } from "../../../ops/harness/test.ts";
import type { Outcome } from "../../../runtime/broker.ts";
import { conformance } from "./conformance/stories.fixture.ts";
import { done } from "./conformance/world.fixture.ts";
import { pgBoss } from "./conformance.fixture.ts";

const world = conformance(pgBoss);
const { test, freshQueue } = world;

test("a consumer that is alive keeps its message for as long as it works", async () => {
  const { name } = await freshQueue();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let taken = 0;
  const consumer = await world.broker.consume(name, { concurrency: 2 }, () => {
    taken++;
    return promise;
  });
  await world.broker.publish(name, "long");
  const until = performance.now() + 4500; // pg-boss would have repeated it after 4 s
  await eventually(() => performance.now() > until, { what: "time passes", within: 6000 });
  resolve(done);
  await consumer.drain();
  assert.is(taken, 1);
});

test.run();
