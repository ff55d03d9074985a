import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { eventually } from "../../../ops/harness/test.ts";
import { startPms, type PmsStandIn } from "../../../ops/e2e/stand-ins/pms.ts";
import type { Queryable } from "../../resources/database.ts";
import { runSync } from "./run.ts";
import { readSync } from "./tasks.ts";

interface State {
  context: TestContext;
  pms: PmsStandIn;
}

const test = suite<State>("turns of a synchronisation");
test.before.each(async (state) => {
  state.pms = await startPms();
  const env = { PMS_API_URL: state.pms.url, PMS_API_KEY: state.pms.key };
  state.context = await openContext({ env });
});
test.after.each(async ({ context, pms }) => {
  await context.close();
  await pms.close();
});

const id = "7b0c1d52-6a3e-4f0e-9b8a-0d6f6a1f2c11";
const add = ({ ctx }: TestContext) =>
  ctx.db.query("INSERT INTO pms_sync_tasks (id, sync_type, force) VALUES ($1, 'members', false)", [id]);
const guest = (n: number) => ({ id: n, last_name: "王", updated_at: "2025-10-08T10:00:00Z" });

test("many that are told of it at once do it once", async ({ context, pms }) => {
  pms.put("members", ...[1, 2, 3].map(guest));
  await add(context);
  await Promise.all([1, 2, 3, 4].map(() => runSync(context.newCall(), id)));
  const { status, synced_count } = await readSync(context.ctx, id);
  assert.equal([status, synced_count, pms.requests.length], ["completed", 3, 1]);
});

test("one whose lease has ended while it waited changes nothing any more", async ({ context, pms }) => {
  pms.put("members", ...[1, 2, 3].map(guest));
  pms.pageSize = 2;
  await add(context);
  const release = pms.hold();
  const late = runSync(context.newCall(), id);
  await eventually(() => pms.requests.length === 1, { what: "it has asked", within: 20_000 });
  await context.ctx.db.query("UPDATE pms_sync_tasks SET lease_until = now() - interval '1 second'");
  const next = runSync(context.newCall(), id);
  await eventually(() => pms.requests.length === 2, { what: "another one has asked", within: 20_000 });
  release();
  await Promise.all([late, next]);
  const { status, synced_count } = await readSync(context.ctx, id);
  assert.equal([status, synced_count], ["completed", 3]);
  const { rows } = await context.ctx.db.query("SELECT FROM members");
  assert.is(rows.length, 3);
});

/** Four guests, whom the PMS has changed since they were taken. */
async function addChanged({ context, pms }: State): Promise<void> {
  pms.put("members", ...[1, 2, 3, 4].map(guest));
  await add(context);
  await runSync(context.newCall(), id);
  const later = { last_name: "李", updated_at: "2025-10-09T10:00:00Z" };
  pms.put("members", ...[1, 2, 3, 4].map((n) => ({ ...guest(n), ...later })));
  await context.ctx.db.query(
    "UPDATE pms_sync_tasks SET status = 'pending', cursor = NULL, synced_count = 0, completed_at = NULL",
  );
}

/** Those whose change was taken, by the transaction that took them. */
async function changed({ ctx }: TestContext): Promise<string[]> {
  const { rows } = await ctx.db.query<{ guests: string }>(
    "SELECT string_agg(external_id, ' ' ORDER BY external_id) AS guests FROM members WHERE last_name = '李' GROUP BY xmin::text",
  );
  return rows.map(({ guests }) => guests).toSorted();
}

const hold = (tx: Queryable, guestId: number) =>
  tx.query("SELECT FROM members WHERE external_id = $1 FOR UPDATE", [String(guestId)]);
/** Longer than a transaction may take. */
const longMs = 600;

/** Begins with a page of which the second guest is held for as long, and by then does what `meanwhile` says. */
async function beginSlowly({ ctx, newCall }: TestContext, meanwhile?: string): Promise<{ taking: Promise<void> }> {
  return await ctx.db.transaction(async (other) => {
    await hold(other, 2);
    const taking = runSync(newCall(), id);
    await pause(longMs);
    if (meanwhile !== undefined) await ctx.db.query(meanwhile);
    return { taking };
  });
}

const nextTurn = "UPDATE pms_sync_tasks SET turn = turn + 1";

test("a page that takes long is taken in more than one transaction, and counted once", async (state) => {
  const { ctx } = state.context;
  await addChanged(state);
  await (
    await beginSlowly(state.context)
  ).taking;
  const { status, synced_count } = await readSync(ctx, id);
  assert.equal([status, synced_count], ["completed", 4]);
  assert.equal(await changed(state.context), ["1 2", "3 4"]);
});

test("who loses his turn in the middle of a page keeps nothing of what he was at", async (state) => {
  await addChanged(state);
  await (
    await beginSlowly(state.context, nextTurn)
  ).taking;
  assert.equal(await changed(state.context), []);
});

test("what was taken of a page before it broke off is counted with the rest when it is taken again", async (state) => {
  const { ctx, newCall } = state.context;
  await addChanged(state);
  const { taking } = await ctx.db.transaction(async (last) => {
    await hold(last, 4);
    const begun = await beginSlowly(state.context);
    await eventually(async () => (await changed(state.context)).length, { what: "the first of it is taken" });
    await ctx.db.query(nextTurn);
    return begun;
  });
  await taking;
  assert.equal(await changed(state.context), ["1 2"]);
  await ctx.db.query("UPDATE pms_sync_tasks SET lease_until = NULL");
  await runSync(newCall(), id);
  const { status, synced_count } = await readSync(ctx, id);
  assert.equal([status, synced_count], ["completed", 4]);
  assert.equal(await changed(state.context), ["1 2", "3 4"]);
});

test("one that ends its process again and again is given up", async ({ context }) => {
  await add(context);
  await context.ctx.db.query("UPDATE pms_sync_tasks SET attempt = 50");
  await runSync(context.ctx, id);
  const { status, error_message } = await readSync(context.ctx, id);
  assert.equal([status, error_message], ["failed", "Whoever works on it ends before a page is taken"]);
});

test.run();
