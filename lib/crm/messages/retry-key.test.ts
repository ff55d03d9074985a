import { test } from "uvu";
import * as assert from "uvu/assert";
import { keyOf } from "./retry-key.ts";

test("a key is a UUID that follows from its text", () => {
  assert.match(keyOf("line-event:1"), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.is(keyOf("line-event:1"), keyOf("line-event:1"));
  assert.is(new Set(Array.from({ length: 1000 }, (_, index) => keyOf(`line-event:${index}`))).size, 1000);
});

test.run();
