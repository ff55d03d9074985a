import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sampled } from "./sampled.ts";

const test = suite("numbers that others are asked for");

test("however many read, one question is asked, and its answer is good for a while", async () => {
  let asked = 0;
  let time = 0;
  const read = sampled(async () => ++asked, { freshMs: 1000, now: () => time });
  assert.equal(await Promise.all([read(), read(), read()]), [1, 1, 1]);
  time = 999;
  assert.is(await read(), 1);
  time = 1000;
  assert.is(await read(), 2);
});

test("who does not answer is not waited for: the last answer stands, until it is too old to be one", async () => {
  let time = 0;
  let answer: () => Promise<number> = async () => 7;
  const read = sampled(() => answer(), { freshMs: 1000, keepMs: 5000, waitMs: 20, now: () => time });
  assert.is(await read(), 7);
  const { promise, resolve } = Promise.withResolvers<number>();
  answer = () => promise;
  time = 4000;
  const before = performance.now();
  assert.is(await read(), 7);
  assert.ok(performance.now() - before < 200);
  time = 6000;
  assert.is(await read(), undefined);
  resolve(8);
  await promise;
  // It is as old as its question.
  time = 4500;
  answer = async () => 9;
  assert.is(await read(), 8);
});

test("who fails is like who does not answer", async () => {
  const read = sampled(async () => {
    throw new Error("away");
  });
  assert.is(await read(), undefined);
  assert.is(await read(), undefined);
});

test.run();
