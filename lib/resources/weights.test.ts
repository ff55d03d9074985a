import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/test.ts";
import { openWeights, type Weights } from "./weights.ts";

const test = suite("weights");

const never = new AbortController().signal;

/** Takes a weight, and notes in what order it was given. */
function takers(weights: Weights) {
  const order: string[] = [];
  const held = new Map<string, Disposable>();
  return {
    order,
    take: async (name: string, bytes: number, { withinMs = 60_000, signal = never } = {}) => {
      const weight = await weights.take(bytes, { withinMs, signal });
      order.push(weight ? name : `${name} gave up`);
      if (weight) held.set(name, weight);
    },
    giveBack: (name: string) => held.get(name)?.[Symbol.dispose](),
  };
}

test("what fits in goes at once, the rest when there is room, in order", async () => {
  const weights = openWeights(100);
  const { order, take, giveBack } = takers(weights);
  for (const [name, bytes] of Object.entries({ a: 40, b: 60, c: 50, d: 10, e: 50 })) void take(name, bytes);
  await eventually(() => order.length === 2, { what: "two fit in" });
  giveBack("a");
  assert.is(weights.taken, 60, "d would fit in, but c was there before");
  giveBack("b");
  await eventually(() => order.length === 4, { what: "two more" });
  giveBack("c");
  await eventually(() => order.length === 5, { what: "the last" });
  assert.equal(order, ["a", "b", "c", "d", "e"]);
  for (const name of ["d", "e", "e", "e"]) giveBack(name);
  assert.is(weights.taken, 0, "and what is given back twice counts once");
});

test("what is heavier than the budget goes alone", async () => {
  const weights = openWeights(100);
  const { order, take, giveBack } = takers(weights);
  void take("light", 1);
  void take("huge", 5000);
  void take("other", 1);
  await eventually(() => order.length === 1, { what: "the light one" });
  giveBack("light");
  await eventually(() => order.length === 2, { what: "the huge one, alone" });
  assert.is(weights.taken, 100);
  giveBack("huge");
  await eventually(() => order.length === 3, { what: "the other" });
  assert.equal(order, ["light", "huge", "other"]);
});

test("who gives up, or is aborted, leaves its place to those behind", async () => {
  const weights = openWeights(100);
  const { order, take, giveBack } = takers(weights);
  const call = new AbortController();
  void take("first", 50);
  void take("hasty", 100, { withinMs: 20 });
  void take("aborted", 100, { signal: call.signal });
  void take("small", 50);
  await eventually(() => order.length === 2, { what: "the hasty one gives up" });
  assert.equal(order, ["first", "hasty gave up"]);
  call.abort();
  await eventually(() => order.length === 4, { what: "the small one" });
  assert.ok(order.includes("aborted gave up") && order.includes("small"));
  await take("late", 1, { signal: call.signal });
  assert.is(order.at(-1), "late gave up", "an aborted call does not even begin to wait");
  giveBack("first");
  giveBack("small");
  assert.is(weights.taken, 0);
});

test.run();
