import { setTimeout as pause } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openParsingTurns } from "./parsing-turns.ts";

const mebibyte = 2 ** 20;
const { signal } = new AbortController();

test("small messages have their turn at once, whoever waits; large ones when there is room", async () => {
  const turns = openParsingTurns(2 * mebibyte);
  const first = await turns.take(1.5 * mebibyte, signal);
  let hasTurn = false;
  const second = turns.take(mebibyte, signal).then((turn) => ((hasTurn = true), turn));
  for (let count = 0; count < 10; count++) (await turns.take(100_000, signal))?.[Symbol.dispose]();
  await pause(10);
  assert.not(hasTurn);
  first?.[Symbol.dispose]();
  (await second)?.[Symbol.dispose]();
  // What is larger than all there is goes alone.
  (await turns.take(25 * mebibyte, signal))?.[Symbol.dispose]();
});

test("who is told to end has no turn", async () => {
  const turns = openParsingTurns(mebibyte);
  const first = await turns.take(mebibyte, signal);
  const told = new AbortController();
  const second = turns.take(mebibyte, told.signal);
  told.abort();
  assert.is(await second, undefined);
  first?.[Symbol.dispose]();
});

test.run();
