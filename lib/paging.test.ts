import { test } from "uvu";
import * as assert from "uvu/assert";
import { Value } from "typebox/value";
import { optionalPageOf, pageOf, Paging } from "./paging.ts";

test("a page starts where the one before it ends", () => {
  assert.equal(pageOf({ page: 1, limit: 20 }), { page: 1, limit: 20, offset: 0 });
  assert.equal(pageOf({ page: 3, limit: 10 }), { page: 3, limit: 10, offset: 20 });
});

test("more than 100 on a page is taken as 100, and shown so", () => {
  assert.equal(pageOf({ page: 2, limit: 101 }), { page: 2, limit: 100, offset: 100 });
  assert.equal(pageOf({ page: 2, limit: 100 }), { page: 2, limit: 100, offset: 100 });
});

test("page and limit are whole numbers from 1 up", () => {
  for (const [page, limit] of [
    [0, 20],
    [-1, 20],
    [1, 0],
    [1.5, 20],
    [1, -5],
    [1, 2.5],
    [1e10, 20], // its offset would be no number that the database takes
  ]) {
    assert.not(Value.Check(Paging, { page, limit }), `page=${page} limit=${limit}`);
  }
  assert.equal(Value.Default(Paging, {}), { page: 1, limit: 20 });
});

test("a list that is whole by itself is cut where a page is asked for", () => {
  assert.is(optionalPageOf({}), undefined);
  assert.equal(optionalPageOf({ limit: 5 }), { page: 1, limit: 5, offset: 0 });
  assert.equal(optionalPageOf({ page: 2 }), { page: 2, limit: 20, offset: 20 });
});

test.run();
