import { test } from "uvu";
import * as assert from "uvu/assert";
import { anyone, http } from "../index.ts";
import { Type } from "typebox";
import { Slot, Version, type Loaded } from "./slot.ts";

const definition = http.get("/x", { access: anyone, returns: Type.Object({}) }).handle(() => ({}));
const loaded = (hash: string): Loaded => ({ name: "x", file: "x.ts", definition, hash, inputs: [] });

test("a swap is over when the old version has finished its last call, and not before", async () => {
  const first = new Version(loaded("1"), undefined);
  const slot = new Slot("x", first);
  first.inflight += 2;
  let over = false;
  const swapping = slot.swap(new Version(loaded("2"), undefined)).then(() => (over = true));
  slot.current.inflight++;
  assert.is(slot.current.loaded.hash, "2");
  assert.is(slot.inflight, 3);
  first.leave();
  await Promise.resolve();
  assert.not.ok(over);
  first.leave();
  await swapping;
  assert.is(slot.inflight, 1);
  assert.is(slot.retired.size, 0);
});

test("a version on trial gets its share of the calls, evenly, until the trial ends", async () => {
  const slot = new Slot("x", new Version(loaded("1"), undefined));
  const hashes = (count: number) => Array.from({ length: count }, () => slot.next().loaded.hash).join("");
  assert.is(hashes(4), "1111");
  await slot.try(new Version(loaded("2"), undefined), 0.25);
  assert.is(hashes(8), "11121112");
  const { trial } = slot;
  assert.is(trial?.loaded.hash, "2");
  assert.ok(trial);
  trial.inflight++;
  assert.is(slot.inflight, 1);
  let over = false;
  const ending = slot.endTrial().then(() => (over = true));
  assert.is(hashes(4), "1111");
  await Promise.resolve();
  assert.not(over);
  trial.leave();
  await ending;
  assert.is(slot.retired.size, 0);
});

test("a slot is idle when no version has a call, however many wait for it", async () => {
  const version = new Version(loaded("1"), undefined);
  const slot = new Slot("x", version);
  await slot.idle();
  version.inflight++;
  const waiting = Promise.all([slot.idle(), slot.idle()]);
  version.leave();
  await waiting;
});

test.run();
