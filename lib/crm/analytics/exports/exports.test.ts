import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../../ops/harness/context.ts";
import { Problem } from "../../../../runtime/problem.ts";
import { cleanExports } from "./clean.ts";
import { reportFolder } from "./export.ts";
import { openReport, progressOf, readExport, startExport, type Asked } from "./exports.ts";
import { linkTo } from "./link.ts";
import { runExport } from "./run.ts";

const test = suite<{ context: TestContext; folder: string; user: number }>("exports");

test.before.each(async (world) => {
  world.context = await openContext();
  const { ctx } = world.context;
  world.folder = reportFolder(ctx);
  const { rows } = await ctx.db.query<{ id: number }>(
    `INSERT INTO users (username, email, password_hash, role) VALUES ('may', 'may@hotel.example', '', 'marketing')
     RETURNING id::float8 AS id`,
  );
  world.user = rows[0]?.id ?? 0;
});
test.after.each(({ context }) => context.close());

const asked: Asked = { report_type: "trends", format: "excel", start_date: "2025-09-01", end_date: "2025-09-30" };

const codeOf = async (work: () => Promise<unknown>) => {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.status} ${error.code}`;
  }
};

/** What the link that was given with a report answers now. */
async function answer({ ctx }: TestContext, id: string) {
  const link = linkTo(ctx, { id, format: asked.format }).url;
  return await codeOf(() => openReport(ctx, link.slice(link.lastIndexOf("/") + 1)));
}

test("a report is written once, whatever the broker does with its message", async ({ context, folder, user }) => {
  const { ctx } = context;
  const id = await startExport(ctx, asked, user);
  assert.is(await answer(context, id), "404 report_not_ready");
  await Promise.all([runExport(ctx, id), runExport(ctx, id), runExport(ctx, id)]);
  await runExport(ctx, id);
  const stored = await readExport(ctx, id);
  assert.equal([stored.status, stored.turn, progressOf(stored), stored.rows_done], ["completed", 1, 100, 30]);
  assert.is(await answer(context, id), undefined);
  assert.equal(await readdir(folder), [`${id}.1.xlsx`]);
});

test("with the broker away a report is taken, and waits for the sweep", async ({ context, user }) => {
  const { ctx } = context;
  const id = await startExport(ctx, asked, user);
  const { rows } = await ctx.db.query<{ due: boolean }>(
    "SELECT due_at <= now() AS due FROM report_exports WHERE id = $1",
    [id],
  );
  assert.equal(rows, [{ due: true }]);
});

test("whoever lost the lease leaves nothing, and changes nothing", async ({ context, folder, user }) => {
  const { ctx } = context;
  const id = await startExport(ctx, asked, user);
  // While the first one reads, its lease is given to another one.
  const held = ctx.db.transaction(async (tx) => {
    await tx.query("LOCK TABLE crm_days IN ACCESS EXCLUSIVE MODE");
    const first = runExport(ctx, id);
    while ((await readExport(ctx, id)).turn === 0) await ctx.db.query("SELECT pg_sleep(0.02)");
    await ctx.db.query("UPDATE report_exports SET turn = 2, lease_until = now() + interval '1 minute'");
    return { first };
  });
  await (
    await held
  ).first;
  assert.equal((await readdir(folder)).length, 0);
  const stored = await readExport(ctx, id);
  assert.equal([stored.status, stored.turn], ["running", 2]);
  await ctx.db.query("UPDATE report_exports SET lease_until = now() - interval '1 second'");
  await runExport(ctx, id);
  assert.equal(await readdir(folder), [`${id}.3.xlsx`]);
  assert.is(await answer(context, id), undefined);
});

test("what cannot be written is tried again, and given up in the end", async ({ context, folder, user }) => {
  const { ctx } = context;
  const id = await startExport(ctx, asked, user);
  await mkdir(join(folder, ".."), { recursive: true });
  await writeFile(folder, "no folder");
  for (let turn = 1; turn <= 4; turn++) {
    await runExport(ctx, id);
    assert.equal((await readExport(ctx, id)).status, "pending", `after turn ${turn}`);
  }
  await runExport(ctx, id);
  const stored = await readExport(ctx, id);
  assert.equal([stored.status, stored.error_message], ["failed", "The report could not be written, several times"]);
  assert.is(await answer(context, id), "410 report_failed");
});

test("a formula in a title stays a title", async ({ context, folder, user }) => {
  const { ctx } = context;
  await ctx.db.query(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'Hello') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at)
     SELECT '=HYPERLINK("http://evil.example")', id, '{"type": "all"}', 'sent', '2025-09-02' FROM template`,
  );
  for (const format of ["excel", "pdf"] as const) {
    const id = await startExport(ctx, { ...asked, report_type: "overview", format }, user);
    await runExport(ctx, id);
    assert.is((await readExport(ctx, id)).status, "completed", format);
  }
  assert.is((await readdir(folder)).length, 2);
});

test("a day later reports are gone, and what killed workers have left", async ({ context, folder, user }) => {
  const { ctx } = context;
  const old = await startExport(ctx, asked, user);
  const fresh = await startExport(ctx, asked, user);
  await runExport(ctx, old);
  await runExport(ctx, fresh);
  await writeFile(join(folder, ".half"), "PK");
  await ctx.db.query(
    `UPDATE report_exports SET ended_at = ended_at - interval '25 hours', kept_until = kept_until - interval '25 hours' WHERE id = $1`,
    [old],
  );
  const yesterday = new Date(Date.now() - 25.5 * 60 * 60 * 1000);
  for (const name of [`${old}.1.xlsx`, ".half"]) await utimes(join(folder, name), yesterday, yesterday);
  await cleanExports(ctx);
  assert.equal(await readdir(folder), [`${fresh}.1.xlsx`]);
  assert.ok((await readFile(join(folder, `${fresh}.1.xlsx`))).length > 0);
  assert.is(await answer(context, old), "410 link_has_ended");
  assert.is(await codeOf(() => readExport(ctx, old)), "404 report_not_found");
  assert.is(await answer(context, fresh), undefined);
});

test.run();
