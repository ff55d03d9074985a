import { suite } from "uvu";
import * as assert from "uvu/assert";
import { courseOf, watch } from "./course.ts";

const course = suite("the course of a measurement");

const minutes = (values: readonly number[]) =>
  courseOf(values.map((memory, index) => ({ seconds: index * 60, memory })));

course("what warms up and then stays is not said to grow", () => {
  const memory = minutes([50, 90, 110, 120, 120, 120, 120, 120]);
  assert.is(memory.growthPerMinute("memory"), 0);
  assert.equal(memory.ends("memory", 60), { first: 70, last: 120 });
});

course("what leaks is said to grow, however it goes up and down", () => {
  const memory = minutes([100, 103, 108, 107, 113, 112, 117, 118, 121, 122]);
  assert.ok(Math.abs(memory.growthPerMinute("memory") - 2.2) < 0.5, String(memory.growthPerMinute("memory")));
  assert.is(memory.most("memory"), 122);
});

course("is looked at until it is over, and everything seen is told", async () => {
  let looked = 0;
  const told: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const watching = watch(
    async () => ({ looked: ++looked }),
    1,
    ({ looked }) => {
      told.push(looked ?? NaN);
      if (looked === 3) resolve();
    },
  );
  await promise;
  const { samples } = await watching.stop();
  assert.equal(
    samples.map((sample) => sample["looked"]),
    told,
  );
  assert.ok(samples.every(({ seconds }) => seconds !== undefined && seconds >= 0));
});

course("what cannot be looked at any more is said at the end", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = async () => {
    resolve();
    throw new Error("it has ended");
  };
  const watching = watch(look, 1, () => {});
  await promise;
  const error = await watching.stop().catch((failure: unknown) => failure);
  assert.match(String(error), "it has ended");
});

course.run();
