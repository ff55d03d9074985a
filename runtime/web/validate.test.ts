import { Type } from "typebox";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../problem.ts";
import { coercion, compile, fieldOf } from "./validate.ts";

test("a field is named as a caller writes it", () => {
  assert.is(fieldOf(""), "");
  assert.is(fieldOf("/from"), "from");
  assert.is(fieldOf("/attachments/0/filename"), "attachments[0].filename");
  assert.is(fieldOf("/metadata/a~1b/c~0d"), "metadata.a/b.c~d");
});

test("every fault is told at once, each by its field", () => {
  const checker = compile(
    Type.Object({ to: Type.Array(Type.String()), files: Type.Array(Type.Object({ name: Type.String() })) }),
  );
  assert.equal(checker.faults({ to: ["a", 7], files: [{}] }), [
    { field: "to[1]", message: "must be string" },
    { field: "files[0].name", message: "is required" },
  ]);
  assert.equal(checker.faults({ to: [], files: [] }), []);
});

test("the first fault is the message, and all are details", () => {
  const checker = compile(Type.Object({ id: Type.String({ format: "uuid" }) }));
  const message = "must be a valid uuid";
  assert.throws(
    () => checker.check({ id: "7" }, "query"),
    (error: unknown) => {
      assert.ok(error instanceof Problem);
      assert.is(error.status, 400);
      assert.is(error.message, `id ${message}`);
      assert.equal(error.details, [{ field: "id", message }]);
      assert.is(error.part, "query");
      return true;
    },
  );
});

test("of what may be null, or is one of a few, it is told what it should be", () => {
  const checker = compile(
    Type.Object({
      cc: Type.Union([Type.String({ maxLength: 3 }), Type.Null()]),
      secure: Type.Union([Type.Enum(["tls", "none"]), Type.Null()]),
      status: Type.Literal("Pending"),
    }),
  );
  assert.equal(checker.faults({ cc: null, secure: null, status: "Pending" }), []);
  assert.equal(checker.faults({ cc: "long", secure: "x", status: "Done" }), [
    { field: "cc", message: "must not have more than 3 characters" },
    { field: "secure", message: "must be one of tls, none" },
    { field: "status", message: 'must be "Pending"' },
  ]);
});

test("a flood of faults is cut", () => {
  const checker = compile(Type.Array(Type.String()));
  assert.is(checker.faults(Array.from({ length: 5000 }, () => 1)).length, 8);
});

test("texts of a query become what the schema asks for, and defaults are filled in", () => {
  const coerceFrom = coercion(
    Type.Object({
      page: Type.Integer({ default: 1 }),
      deep: Type.Boolean({ default: false }),
      tag: Type.Optional(Type.Array(Type.Integer())),
      name: Type.Optional(Type.String()),
    }),
  );
  const coerce = (values: Record<string, unknown>) => coerceFrom((name) => values[name]);
  assert.equal(coerce({ page: "3", deep: "true", tag: "7", name: "12" }), {
    page: 3,
    deep: true,
    tag: [7],
    name: "12",
  });
  assert.equal(coerce({}), { page: 1, deep: false });
  assert.equal(coerce({ page: "three", deep: "yes", tag: ["1", "x"] }), { page: "three", deep: "yes", tag: [1, "x"] });
  assert.equal(coerce({ page: ["1", "2"], other: "dropped" }), { page: ["1", "2"], deep: false });
});

test.run();
