import { test } from "uvu";
import * as assert from "uvu/assert";
import { decode } from "./deliveries.ts";

test("what is no message is told of without a word of it", () => {
  for (const text of ["secret", '{"to":"ann@example.org",}', '"secret', "[secret", ""])
    assert.equal(decode(text), { fault: "not JSON" }, text);
  assert.equal(decode('{"mail_id":"m-1"}'), { message: { mail_id: "m-1" } });
});

test.run();
