import { suite } from "uvu";
import * as assert from "uvu/assert";
import { reconcile, type Passed } from "./reconcile.ts";

const test = suite("reconciling mail");

const all = ["a", "b", "c"];
const fault = (passed: Partial<Passed>): string => {
  try {
    reconcile({ accepted: all, sent: all, arrived: all, ...passed });
    return "";
  } catch (error) {
    return String(error);
  }
};

test("mail that went all the way once is all there, in any order", () => {
  assert.is(fault({ sent: ["c", "a", "b"], arrived: ["b", "c", "a"] }), "");
});

test("one that is lost is named, though another makes up for it in number", () => {
  assert.match(fault({ arrived: ["a", "b", "b"] }), /1 were accepted, and did not come to the provider, such as c/);
  assert.match(fault({ arrived: ["a", "b", "b"] }), /1 came to the provider twice, such as b/);
  assert.match(fault({ sent: ["a", "c", "d"] }), /1 were accepted, and are not in the database as sent, such as b/);
});

test("mail of which nobody was told is no success either", () => {
  assert.match(fault({ sent: [...all, "d"] }), /1 are in the database, and nobody was told, such as d/);
  assert.match(fault({ arrived: [...all, "d"] }), /1 came to the provider, and nobody was told, such as d/);
  assert.match(fault({ accepted: ["a", "a", "b", "c"] }), /1 were accepted twice, such as a/);
});

test.run();
