import { test } from "uvu";
import * as assert from "uvu/assert";
import { problems } from "../../runtime/problem.ts";
import { jobNotFound } from "./problems.ts";
import { scheduleStyle } from "./style.ts";

test("a fault of the request is 422, with where it is", () => {
  const details = [
    { field: "recipients", message: "is required" },
    { field: "list[2].name", message: "must be string" },
    { field: "", message: "must be object" },
  ];
  const problem = problems.invalidRequest({ details });
  assert.is(scheduleStyle.problemStatus?.(problem), 422);
  assert.equal(scheduleStyle.problem(problem), {
    detail: [
      { loc: ["body", "recipients"], msg: "recipients is required", type: "missing" },
      { loc: ["body", "list", 2, "name"], msg: "list[2].name must be string", type: "value_error" },
      { loc: ["body"], msg: "must be object", type: "value_error" },
    ],
  });
  const ofQuery = problems.invalidRequest({ details: [{ field: "skip", message: "must be >= 0" }], part: "query" });
  assert.equal(scheduleStyle.problem(ofQuery), {
    detail: [{ loc: ["query", "skip"], msg: "skip must be >= 0", type: "value_error" }],
  });
  assert.is(scheduleStyle.problemStatus?.(problems.invalidJson()), 422);
});

test("any other problem has its own status, and is one sentence", () => {
  assert.is(scheduleStyle.problemStatus?.(jobNotFound()), 404);
  assert.equal(scheduleStyle.problem(jobNotFound()), { detail: "No job has this id" });
});

test.run();
