import { suite } from "uvu";
import * as assert from "uvu/assert";
import { interleave, median, Series } from "./measure.ts";

const rounds = suite("bench rounds");

rounds("the median stands in the middle, between two where they are even", () => {
  assert.is(median([9, 1, 5]), 5);
  assert.is(median([1, 9, 5, 3]), 4);
});

rounds("a round in which the machine was slow does not change a ratio", () => {
  const series = new Series();
  for (const slowdown of [1, 10, 1]) {
    series.add("ours", { perSecond: 800 / slowdown });
    series.add("ceiling", { perSecond: 1000 / slowdown });
  }
  assert.is(series.ratio("ours", "ceiling"), 0.8);
});

rounds("every contender is measured in every round, and each begins one", async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    async measure(seconds: number) {
      order.push(name);
      return { perSecond: seconds };
    },
  });
  const sizes = { workers: 1, mails: 1, members: 1, minutes: 1, rate: 1 };
  const plan = { rounds: 3, seconds: 2, ...sizes, profile: false, tell() {} };
  const series = await interleave([contender("a"), contender("b"), contender("c")], plan);
  assert.is(order.join(""), "abcbcacab");
  assert.is(series.median("b"), 2);
});

rounds.run();
