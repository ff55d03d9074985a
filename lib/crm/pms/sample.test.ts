import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { runSync } from "./run.ts";
import { readSync, startSync, type SyncType } from "./tasks.ts";

const test = suite<{ context: TestContext }>("a PMS in memory");
test.before.each(async (state) => void (state.context = await openContext()));
test.after.each(({ context }) => context.close());

async function sync({ ctx }: TestContext, type: SyncType, force = false) {
  const { rows } = await ctx.db.query<{ id: number }>(
    `INSERT INTO users (username, email, password_hash, role) VALUES ('chief', 'chief@hotel.example', '-', 'admin')
     ON CONFLICT ((lower(username))) DO UPDATE SET role = 'admin' RETURNING id::float8 AS id`,
  );
  const id = await startSync(ctx, { type, force, userId: rows[0]?.id ?? 0 });
  await runSync(ctx, id);
  const { status, synced_count, failed_count, waiting_count } = await readSync(ctx, id);
  return { status, synced_count, failed_count, waiting_count };
}

const completed = { status: "completed", failed_count: 0, waiting_count: 0 };

test("gives a development system guests and stays, the same every time", async ({ context }) => {
  assert.equal(await sync(context, "members"), { ...completed, synced_count: 120 });
  assert.equal(await sync(context, "consumption_records"), { ...completed, synced_count: 300 });
  assert.equal(await sync(context, "members", true), { ...completed, synced_count: 120 });
  assert.equal(await sync(context, "consumption_records", true), { ...completed, synced_count: 300 });
  const { rows } = await context.ctx.db.query<{ members: number; stays: number; numbers: number }>(
    `SELECT (SELECT count(*)::int FROM members) AS members, (SELECT count(*)::int FROM consumption_records) AS stays,
            (SELECT count(DISTINCT id_number_hash)::int FROM members) AS numbers`,
  );
  assert.equal(rows[0], { members: 120, stays: 300, numbers: 120 });
});

test("stays that come before their guests wait for them", async ({ context }) => {
  const waiting = { ...completed, waiting_count: 300, synced_count: 0 };
  assert.equal(await sync(context, "consumption_records"), waiting);
  assert.equal(await sync(context, "members"), { ...completed, synced_count: 120 });
  const { rows } = await context.ctx.db.query<{ stays: number; left: number }>(
    `SELECT (SELECT count(*)::int FROM consumption_records) AS stays, (SELECT count(*)::int FROM pms_waiting_stays) AS left`,
  );
  assert.equal(rows[0], { stays: 300, left: 0 });
});

test.run();
