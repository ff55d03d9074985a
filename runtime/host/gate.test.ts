import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Gate } from "./gate.ts";

const test = suite("a gate");

/** Keeps the process alive while the gate's own timer, which does not, lets the limit grow. */
async function soon(check: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 5000; !check();) {
    if (performance.now() > end) assert.unreachable(what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function callers(gate: Gate, count: number): { entered: number[]; sentAway: number[] } {
  const seen: { entered: number[]; sentAway: number[] } = { entered: [], sentAway: [] };
  for (let n = 1; n <= count; n++)
    void gate.enter().then((entered) => (entered ? seen.entered : seen.sentAway).push(n));
  return seen;
}

test("with a fixed limit so many enter, and one more for each that leaves, in order", async () => {
  const gate = new Gate({ min: 2, max: 2 });
  const { entered } = callers(gate, 4);
  await soon(() => entered.length === 2, "two enter");
  assert.is(gate.waiting, 2);
  gate.leave(performance.now(), false);
  await soon(() => entered.length === 3, "the third");
  assert.equal(entered, [1, 2, 3]);
  assert.is(gate.waiting, 1);
});

test("calls that wait open it wider, also when none of those inside ends", async () => {
  const gate = new Gate({ min: 1, max: 8 });
  const { entered } = callers(gate, 10);
  await soon(() => entered.length === 8, "eight of ten enter");
  assert.is(gate.limit, 8);
  assert.is(gate.waiting, 2);
  gate.close();
});

test("closing sends away who waits and who comes later; who is inside leaves as before", async () => {
  const gate = new Gate({ min: 2, max: 2 });
  const first = callers(gate, 4);
  await soon(() => first.entered.length === 2, "two enter");
  gate.close();
  const later = callers(gate, 1);
  await soon(() => first.sentAway.length === 2 && later.sentAway.length === 1, "three are sent away");
  gate.leave(performance.now(), true);
  gate.leave(performance.now(), false);
  assert.equal([first.entered, first.sentAway, gate.waiting], [[1, 2], [3, 4], 0]);
});

test.run();
