import { randomUUID } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keyOf } from "./push-each.ts";

test("a member's retry key is a UUID: always the same within a batch, another for another member or batch", () => {
  const [batch, other] = [randomUUID(), randomUUID()];
  const key = keyOf(batch, "17");
  assert.match(key, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.is(keyOf(batch, "17"), key);
  assert.is.not(keyOf(batch, "18"), key);
  assert.is.not(keyOf(other, "17"), key);
});

test.run();
