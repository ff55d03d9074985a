import { test } from "uvu";
import * as assert from "uvu/assert";
import { Limited, TimeLimits } from "./time-limits.ts";

/** The limits' own timer does not keep a process alive. */
const held = setInterval(() => {}, 1000);

test("what runs past its limit expires once; what has ended, or still has time, does not", async () => {
  const limits = new TimeLimits();
  const expired: string[] = [];
  const done = Promise.withResolvers<void>();
  const make = (name: string, ms: number) => {
    const call = new Limited(performance.now() + ms, () => {
      expired.push(name);
      if (name === "last") done.resolve();
    });
    limits.add(call);
    return call;
  };
  const ended = [make("ended first", 10), make("a", 20), make("ended in the middle", 10), make("b", 20)];
  make("last", 150);
  make("has time", 60_000);
  for (const call of [ended[0], ended[2]]) if (call) limits.delete(call);
  await done.promise;
  assert.equal(expired.toSorted(), ["a", "b", "last"]);
  limits.expireAll();
  assert.is(expired.at(-1), "has time");
  assert.is(expired.length, 4);
  limits.close();
});

test("deleting twice, or what expired already, harms nothing", () => {
  const limits = new TimeLimits();
  const expired: number[] = [];
  const calls = [1, 2, 3].map((number) => new Limited(0, () => expired.push(number)));
  for (const call of calls) limits.add(call);
  const [one, two] = calls;
  if (two) for (let time = 0; time < 2; time++) limits.delete(two);
  limits.expireAll();
  if (one) limits.delete(one);
  limits.expireAll();
  assert.equal(expired.toSorted(), [1, 3]);
  limits.close();
});

test.after(() => clearInterval(held));
test.run();
