import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRecentCounts } from "./recent-counts.ts";

const test = suite("recent counts");

test("a small number is counted every time, a large one once", async () => {
  const counts = openRecentCounts({ large: 100, ms: 3_600_000 });
  let asked = 0;
  const count = (value: number) => async () => {
    asked++;
    return value;
  };
  assert.is(await counts.of("few", count(99)), 99);
  assert.is(await counts.of("few", count(98)), 98);
  assert.is(await counts.of("many", count(100)), 100);
  assert.is(await counts.of("many", count(101)), 100);
  assert.is(asked, 3);
});

test("what is old is counted again, once for all who ask", async () => {
  const counts = openRecentCounts({ large: 100, ms: 0 });
  await counts.of("many", async () => 100);
  const { promise, resolve } = Promise.withResolvers<number>();
  let asked = 0;
  const slow = () => {
    asked++;
    return promise;
  };
  const both = [counts.of("many", slow), counts.of("many", slow)];
  resolve(200);
  assert.equal(await Promise.all(both), [200, 200]);
  assert.is(asked, 1);
});

test("a count that fails is tried again", async () => {
  const counts = openRecentCounts({ large: 1, ms: 0 });
  await counts.of("many", async () => 5);
  const failed = counts.of("many", async () => Promise.reject(new Error("away")));
  assert.match(String(await failed.catch((error: unknown) => error)), "away");
  assert.is(await counts.of("many", async () => 6), 6);
});

test("only so many are kept", async () => {
  const counts = openRecentCounts({ large: 1, ms: 3_600_000, max: 2 });
  for (const key of ["a", "b", "c"]) await counts.of(key, async () => 1);
  assert.is(await counts.of("a", async () => 2), 2);
});

test.run();
