import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { startDueSync } from "./tasks.ts";

const test = suite<{ context: TestContext }>("synchronisations by the clock");
test.after.each(({ context }) => context.close());

const typesOf = async ({ ctx }: TestContext) => {
  const { rows } = await ctx.db.query<{ type: string; status: string }>(
    "SELECT sync_type AS type, status FROM pms_sync_tasks ORDER BY created_at, id",
  );
  return rows.map(({ type, status }) => `${type} ${status}`);
};
const end = ({ ctx }: TestContext) =>
  ctx.db.query("UPDATE pms_sync_tasks SET status = 'failed' WHERE status IN ('pending', 'running')");

test("guests and then stays, once in an interval, however many containers look", async (state) => {
  const context = (state.context = await openContext({ env: { PMS_API_URL: "http://127.0.0.1:1" } }));
  const look = () => Promise.all([1, 2, 3].map(() => startDueSync(context.ctx)));
  await look();
  assert.equal(await typesOf(context), ["members pending"]);
  await end(context);
  await look();
  assert.equal(await typesOf(context), ["members failed", "consumption_records pending"]);
  await end(context);
  await look();
  assert.is((await typesOf(context)).length, 2);
  await context.ctx.db.query("UPDATE pms_sync_tasks SET created_at = created_at - interval '1 hour'");
  await look();
  assert.equal((await typesOf(context)).at(-1), "members pending");
});

test("a PMS in memory is not asked by the clock", async (state) => {
  const context = (state.context = await openContext());
  await startDueSync(context.ctx);
  assert.equal(await typesOf(context), []);
});

test.run();
