import { test } from "uvu";
import * as assert from "uvu/assert";
import { openLinePace } from "./line-pace.ts";

const never = new AbortController().signal;

test("what is within a second's limit goes at once; what is more waits for its turn, and goes", async () => {
  const pace = openLinePace({ multicastPerSecond: 2, pushPerSecond: 0, redis: undefined });
  const order: number[] = [];
  await Promise.all(
    [1, 2, 3].map(async (n) => {
      assert.ok(await pace.take("multicast", 1, never));
      order.push(n);
    }),
  );
  assert.equal(order, [1, 2, 3]);
});

test("without a limit nothing waits; who is told to end gets no turn", async () => {
  const pace = openLinePace({ multicastPerSecond: 1, pushPerSecond: 0, redis: undefined });
  for (let n = 0; n < 1000; n++) assert.ok(await pace.take("push", 50, never));
  assert.ok(await pace.take("multicast", 1, never));
  assert.not(await pace.take("multicast", 1, AbortSignal.abort()));
});

test.run();
