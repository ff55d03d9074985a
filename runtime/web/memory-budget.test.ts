import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../problem.ts";
import { MemoryBudget } from "./memory-budget.ts";

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<void> | undefined): Promise<boolean> {
  const pending = Symbol();
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

test("within the budget nobody waits", () => {
  const budget = new MemoryBudget(100, 60_000);
  const [one, two] = [budget.share(), budget.share()];
  assert.is(one.take(60), undefined);
  assert.is(two.take(40), undefined);
});

test("beyond it one goes on, however much he takes; the others wait for him or for room, in their order", async () => {
  const budget = new MemoryBudget(100, 60_000);
  const [one, two, three, four] = [budget.share(), budget.share(), budget.share(), budget.share()];
  assert.is(two.take(50), undefined);
  assert.is(one.take(60), undefined, "he is the one");
  assert.is(one.take(1000), undefined, "and stays it");
  const second = two.take(10);
  const third = three.take(1);
  assert.not(await isSettled(second));
  assert.is(one.take(1000), undefined);
  one.release();
  await second;
  await third;
  assert.is(four.take(39), undefined, "50, 10 and 1 are taken");
  const beyond = two.take(1);
  assert.is(beyond, undefined, "two is the one now");
  assert.not(await isSettled(three.take(1)));
  three.release(); // a wait would keep the process
});

test("who ends while waiting waits no longer, and holds nothing up", async () => {
  const budget = new MemoryBudget(100, 60_000);
  const [one, two, three] = [budget.share(), budget.share(), budget.share()];
  assert.is(one.take(200), undefined);
  const second = two.take(50);
  const third = three.take(50);
  two.release();
  await second;
  assert.is(two.take(1000), undefined, "and what is left of it counts no more");
  assert.not(await isSettled(third));
  one.release();
  await third;
  three.release();
  assert.is(budget.share().take(100), undefined, "everything was given back");
});

test("however many grow at once, all get through", async () => {
  const budget = new MemoryBudget(100, 60_000);
  let grown = 0;
  const grow = async () => {
    const share = budget.share();
    for (let step = 0; step < 10; step++) await share.take(10);
    grown += share.bytes;
    share.release();
  };
  await Promise.all(Array.from({ length: 50 }, grow));
  assert.is(grown, 5000);
});

test("who waits for too long is refused, and holds up nobody", async () => {
  const budget = new MemoryBudget(100, 10);
  const [one, two, three] = [budget.share(), budget.share(), budget.share()];
  assert.is(one.take(200), undefined);
  const refusal = await two.take(10)?.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.is(refusal instanceof Problem && refusal.status, 503);
  two.release();
  one.release();
  assert.is(three.take(100), undefined);
});

test.run();
