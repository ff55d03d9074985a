import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem, queue } from "../index.ts";
import { tryFunction } from "../testing.ts";

const Job = Type.Object({ id: Type.Integer() });

test("a message that is handled is done; a handler may decide otherwise", async () => {
  const fn = queue("jobs", { message: Job }).handle(({ message }) => {
    return message.id === 1 ? undefined : { kind: "retry", delayMs: 1000 };
  });
  assert.equal(await tryFunction(fn).deliver({ id: 1 }), { kind: "done" });
  assert.equal(await tryFunction(fn).deliver({ id: 2 }), { kind: "retry", delayMs: 1000 });
});

test("a handler that throws climbs the ladder, and gives the message up at its end", async () => {
  const fn = queue("jobs", { message: Job, retry: [1, 5] }).handle(() => {
    throw new Problem(502, "provider_down", "the provider is down");
  });
  const outcomes = [];
  for (const attempt of [1, 2, 3]) outcomes.push(await tryFunction(fn).deliver({ id: 1 }, attempt));
  assert.equal(outcomes, [
    { kind: "retry", delayMs: 1000 },
    { kind: "retry", delayMs: 5000 },
    { kind: "dead", reason: "provider_down" },
  ]);
});

test("a message that does not fit its contract is given up at once, without a look from the handler", async () => {
  let looks = 0;
  const fn = queue("jobs", { message: Job, retry: [1] }).handle(() => void looks++);
  const outcome = await tryFunction(fn).deliver({ id: "seven" });
  assert.equal(outcome, { kind: "dead", reason: "invalid_message: id must be integer" });
  assert.is(looks, 0);
});

test("past its time limit a delivery's signal aborts", async () => {
  const fn = queue("jobs", { message: Job, timeLimitMs: 60 }).handle(
    (_request, ctx) =>
      new Promise((resolve) =>
        ctx.signal.addEventListener("abort", () => resolve({ kind: "dead", reason: "aborted" })),
      ),
  );
  assert.equal(await tryFunction(fn).deliver({ id: 1 }), { kind: "dead", reason: "aborted" });
});

test.run();
