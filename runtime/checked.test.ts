import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checked } from "./checked.ts";
import { Problem } from "./problem.ts";

const read = checked(Type.Object({ name: Type.String({ minLength: 2 }) }));

test("what fits comes back as it is", () => {
  const value = { name: "Ada", more: 1 };
  assert.is(read(value), value);
});

test("what does not fit comes back as the problem that a request of its own would get", () => {
  for (const value of [null, 7, [], {}, { name: "" }]) {
    const problem = read(value);
    assert.ok(problem instanceof Problem);
    assert.equal([problem.status, problem.code], [400, "invalid_request"]);
  }
  const problem = read({ name: "A" });
  assert.equal(problem instanceof Problem && problem.details?.map(({ field }) => field), ["name"]);
});

test.run();
