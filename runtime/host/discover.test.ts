import { test } from "uvu";
import * as assert from "uvu/assert";
import { saying, testProject } from "../testing-project.ts";
import { discover, functionName, isSelected } from "./discover.ts";

test("a function is named after its path; tests and files with _ are none", () => {
  assert.is(functionName("mail/send.ts"), "mail/send");
  assert.is(functionName("health.ts"), "health");
  for (const path of ["mail/send.test.ts", "mail/_api.ts", "_old/send.ts", "mail/readme.md", "types.d.ts", ".x.ts"]) {
    assert.is(functionName(path), undefined, path);
  }
});

test("FUNCTIONS selects by globs", () => {
  assert.ok(isSelected("mail/send", ["*"]));
  assert.ok(isSelected("crm/line/webhook", ["*"]));
  assert.ok(isSelected("mail/send", ["auth/*", "mail/*"]));
  assert.not.ok(isSelected("crm/line/webhook", ["crm/*"]));
  assert.ok(isSelected("crm/line/webhook", ["crm/**"]));
  assert.not.ok(isSelected("mail/send", ["mail/sen"]));
});

test("files are found at any depth, in order", async () => {
  await using project = await testProject({
    "functions/b.ts": saying("/b", "b"),
    "functions/a/c.ts": saying("/c", "c"),
    "functions/a/_shared.ts": "",
    "functions/a/c.test.ts": "",
  });
  assert.equal(await discover(project.root), [
    { name: "a/c", file: "functions/a/c.ts" },
    { name: "b", file: "functions/b.ts" },
  ]);
});

test.run();
