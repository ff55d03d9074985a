import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../runtime/problem.ts";
import { nameless } from "./disk.ts";

const failure = (code: string) =>
  nameless(async () => {
    throw Object.assign(new Error(`${code}: no luck, open '/files/secret.pdf'`), { code, syscall: "open" });
  }).catch((error: unknown) => error);

test("a failure is told by its code, and without the file's name", async () => {
  const error = await failure("EACCES");
  assert.is(String(error), "Error: A file could not be used: EACCES at open");
  assert.is(error instanceof Error && "code" in error && error.code, "EACCES");
});

test("a full disk is something that passes", async () => {
  for (const code of ["ENOSPC", "EDQUOT"]) {
    const error = await failure(code);
    assert.is(error instanceof Problem && error.status, 503);
    assert.match(String(error instanceof Problem && error.cause), code);
  }
});

test("what is no failure of the file system stays as it is", async () => {
  const given = new Error("a broken invariant");
  assert.is(await nameless(() => Promise.reject(given)).catch((error: unknown) => error), given);
});

test.run();
