import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { firstAdmin } from "./first-admin.ts";
import { signIn } from "./sign-in.ts";

const test = suite<{ context: TestContext; file: string }>("first admin of the CRM");

test.before.each(async (state) => {
  state.context = await openContext();
  state.file = join(state.context.folder, "crm-admin");
});
test.after.each(({ context }) => context.close());

test("the first start makes an admin, keeps him for the operator alone, and shows him once", async (state) => {
  const { context, file } = state;
  const admin = await firstAdmin(context.ctx, file);
  assert.ok(admin);
  context.keepSecret(admin.password);
  assert.equal(JSON.parse(await readFile(file, "utf8")), admin);
  assert.is((await stat(file)).mode & 0o777, 0o600);
  const { user } = await signIn(context.ctx, { ...admin, ip: "192.0.2.1" });
  assert.equal([user.username, user.role], ["admin", "admin"]);
  assert.is(await firstAdmin(context.ctx, file), undefined, "the next start shows nothing");
  assert.equal(JSON.parse(await readFile(file, "utf8")), admin);
});

test("an admin whose password cannot be kept is not made: the next start tries again", async ({ context, file }) => {
  const failure = await firstAdmin(context.ctx, "/nowhere/crm-admin").catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.ok(await firstAdmin(context.ctx, file));
});

test.run();
