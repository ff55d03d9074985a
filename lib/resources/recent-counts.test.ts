import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRecentCounts } from "./recent-counts.ts";

const test = suite<{ at: number; open: typeof openRecentCounts }>("recent counts");

test.before.each((state) => {
  state.at = 0;
  state.open = (options) => openRecentCounts({ large: 100, ms: 10, now: () => state.at, ...options });
});

test("a small number is counted every time, a large one once", async ({ open }) => {
  const counts = open();
  assert.is(await counts.of("few", async () => 99), 99);
  assert.is(await counts.of("few", async () => 98), 98);
  assert.is(await counts.of("many", async () => 100), 100);
  assert.is(await counts.of("many", async () => 101), 100);
});

test("what is older is counted again, once for all who ask; who asks meanwhile gets the last one", async (state) => {
  const counts = state.open();
  await counts.of("many", async () => 100);
  state.at = 15;
  const { promise, resolve } = Promise.withResolvers<number>();
  let asked = 0;
  const slow = () => {
    asked++;
    return promise;
  };
  assert.equal(await Promise.all([counts.of("many", slow), counts.of("many", slow)]), [100, 100]);
  state.at = 21;
  const waiting = counts.of("many", slow);
  resolve(200);
  assert.is(await waiting, 200, "one that is old is waited for");
  assert.is(asked, 1);
});

test("one that takes long is kept longer", async (state) => {
  const counts = state.open();
  const slow = async () => {
    state.at += 3;
    return 100;
  };
  await counts.of("many", slow);
  state.at = 59;
  assert.is(await counts.of("many", async () => 101), 100);
});

test("a count that fails is tried again", async (state) => {
  const counts = state.open();
  const fails = async () => Promise.reject(new Error("away"));
  await counts.of("many", async () => 100);
  state.at = 15;
  assert.is(await counts.of("many", fails), 100);
  state.at = 30;
  const failed = counts.of("many", fails);
  assert.match(String(await failed.catch((error: unknown) => error)), "away");
  assert.is(await counts.of("many", async () => 6), 6);
});

test("only so many are kept", async ({ open }) => {
  const counts = open({ max: 2 });
  for (const key of ["a", "b", "c"]) await counts.of(key, async () => 100);
  assert.is(await counts.of("a", async () => 200), 200);
});

test.run();
