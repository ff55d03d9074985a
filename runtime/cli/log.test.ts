import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeError } from "./log.ts";

test("of an error its name, message, code and causes are logged, and nothing that a library hung on it", () => {
  const row = Object.assign(new Error("violates a constraint"), {
    code: "23514",
    detail: "Failing row contains (secret)",
  });
  const request = Object.assign(new Error("could not send", { cause: row }), {
    config: { headers: { key: "secret" } },
  });
  const described = describeError(request);
  assert.not.match(JSON.stringify(described), "secret");
  assert.match(JSON.stringify(described), `"cause":{"type":"Error","message":"violates a constraint","code":"23514"`);
});

test("errors that are their own cause, and things that are no errors, do no harm", () => {
  const loop = new Error("loop");
  loop.cause = loop;
  assert.ok(JSON.stringify(describeError(loop)));
  assert.equal(describeError("a text that may be anything"), { type: "string" });
});

test.run();
