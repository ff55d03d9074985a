import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { client } from "./access.ts";
import { firstAdminToken, readAdminToken } from "./first-token.ts";
import { createToken } from "./tokens.ts";

const test = suite<{ context: TestContext; file: string }>("first token");

test.before.each(async (state) => {
  state.context = await openContext();
  state.file = join(state.context.folder, "admin-token");
});
test.after.each(({ context }) => context.close());

test("the first start makes an admin's token, keeps it for its operator alone, and shows it once", async (state) => {
  const { context, file } = state;
  const token = await firstAdminToken(context.ctx, file);
  assert.ok(token);
  context.keepSecret(token);
  assert.is(await readFile(file, "utf8"), `${token}\n`);
  assert.is((await stat(file)).mode & 0o777, 0o600);
  assert.is(await readAdminToken(file), token);
  const request = { header: () => `Bearer ${token}`, ip: undefined };
  assert.is((await client("admin").check(request, context.ctx)).clientName, "First administrator");
  assert.is(await firstAdminToken(context.ctx, file), undefined, "the next start shows nothing");
  assert.is(await readAdminToken(file), token);
});

test("a system that has tokens already gets no other", async ({ context, file }) => {
  await createToken(context.ctx, { clientName: "Sales", department: undefined, permissions: ["mail:send"] });
  assert.is(await firstAdminToken(context.ctx, file), undefined);
  assert.is(await readAdminToken(file), undefined);
});

test("a token that cannot be kept is not issued: the next start tries again", async ({ context }) => {
  const failure = await firstAdminToken(context.ctx, "/nowhere/admin-token").catch((error: unknown) => error);
  assert.instance(failure, Error);
  const file = join(context.folder, "later");
  assert.ok(await firstAdminToken(context.ctx, file));
});

test.run();
