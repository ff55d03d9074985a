import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { cleanRecords } from "./clean-records.ts";
import { cacheStatus, readStatus } from "./status.ts";

const test = suite<{ context: TestContext }>("cleaning of records");

test.before(async (state) => {
  const env = { MAIL_RETENTION_DAYS: "30", API_LOG_RETENTION_DAYS: "90", KEYDB_URL: await freshRedis() };
  state.context = await openContext({ env });
});
test.before.each(async ({ context }) => {
  await context.ctx.db.query("TRUNCATE mails, mail_events, attachments, api_logs, idempotency_keys");
});
test.after(({ context }) => context.close());

interface Given {
  status?: string;
  /** Days since it was accepted, and since its status last changed. */
  made?: number;
  changed?: number;
  count?: number;
}

/** Mails with two lines in the timeline each. */
async function add({ ctx }: TestContext, { status = "sent", made = 31, changed = made, count = 1 }: Given = {}) {
  const { rows } = await ctx.db.query<{ id: string }>(
    `WITH added AS (
       INSERT INTO mails (from_address, to_addresses, subject, client_id, status, created_at, updated_at, due_at, lease_until)
       SELECT 'a@example.com', '{b@example.com}', 'Hello', 'client_sales', $1, now() - make_interval(days => $2),
              now() - make_interval(days => $3), now() + interval '1 day', now() + interval '1 day'
       FROM generate_series(1, $4) RETURNING id, updated_at),
     events AS (
       INSERT INTO mail_events (mail_id, at, type, attempt)
       SELECT id, updated_at, type, 1 FROM added, unnest(ARRAY['retry', 'sent']) AS type)
     SELECT id FROM added`,
    [status, made, changed, count],
  );
  return rows[0]?.id ?? "";
}

async function count({ ctx }: TestContext, from: string): Promise<number> {
  const { rows } = await ctx.db.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${from}`);
  return rows[0]?.count ?? NaN;
}

const has = async (context: TestContext, id: string) => (await count(context, `mails WHERE id = '${id}'`)) === 1;

test("what was sent, failed or cancelled thirty days ago goes, with its timeline; what is younger stays", async ({
  context,
}) => {
  for (const status of ["sent", "failed", "cancelled"]) await add(context, { status });
  const young = await add(context, { made: 29 });
  await cleanRecords(context.ctx);
  assert.is(await count(context, "mails"), 1);
  assert.ok(await has(context, young));
  assert.is(await count(context, "mail_events"), 2);
  assert.ok(context.log.some((line) => line.includes("removed old records") && line.includes('"mails":3')));
});

test("what is still to be sent stays, however old; what was sent yesterday is a day old", async ({ context }) => {
  await add(context, { status: "queued", made: 400 });
  await add(context, { status: "processing", made: 400 });
  await add(context, { status: "sent", made: 400, changed: 1 });
  await cleanRecords(context.ctx);
  assert.is(await count(context, "mails"), 3);
  assert.is(await count(context, "mail_events"), 6);
});

test("a mail stays until its files are off the disk", async ({ context }) => {
  const { ctx } = context;
  const id = await add(context);
  await ctx.db.query(
    `INSERT INTO attachments (mail_id, position, filename, size_bytes, storage_path, removed_at)
     VALUES ($1, 0, 'a.txt', 1, 'x/a.txt', now()), ($1, 1, 'b.txt', 1, 'x/b.txt', NULL)`,
    [id],
  );
  await cleanRecords(ctx);
  assert.ok(await has(context, id));
  await ctx.db.query("UPDATE attachments SET removed_at = now()");
  await cleanRecords(ctx);
  assert.is(await count(context, "mails"), 0);
  assert.is(await count(context, "attachments"), 0);
});

test("many go in one run, past many that stay", async ({ context }) => {
  await add(context, { made: 50, status: "queued", count: 1500 });
  await add(context, { made: 40, count: 2500 });
  await add(context, { made: 31, count: 10 });
  await cleanRecords(context.ctx);
  assert.is(await count(context, "mails WHERE status = 'queued'"), 1500);
  assert.is(await count(context, "mails"), 1500);
  assert.is(await count(context, "mail_events"), 3000);
});

test("when its time is up it leaves the rest to the next run", async ({ context }) => {
  await add(context, { count: 2500 });
  const call = context.newCall();
  call.abort(new Error("time is up"));
  await cleanRecords(call);
  assert.is(await count(context, "mails"), 2500);
});

test("a failed mail that is queued again at that moment stays", async ({ context }) => {
  const { ctx } = context;
  const id = await add(context, { status: "failed" });
  let cleaning: Promise<void> | undefined;
  await ctx.db.transaction(async (db) => {
    await db.query("UPDATE mails SET status = 'queued' WHERE id = $1", [id]);
    cleaning = cleanRecords(ctx);
    const waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await eventually(() => count(context, waiting), { what: "the cleaning meets the row" });
  });
  await cleaning;
  assert.ok(await has(context, id));
  assert.is(await count(context, "mail_events"), 2);
});

test("the status of a mail that has gone is not found, also where it was cached", async ({ context }) => {
  const { ctx } = context;
  const id = await add(context);
  const createdAt = new Date();
  cacheStatus(ctx, { id, clientId: "client_sales", status: "sent", attempt: 1, retryCount: 0, createdAt });
  await cleanRecords(ctx);
  const error = await readStatus(ctx, id, aCaller("client_sales")).catch((failure: unknown) => failure);
  assert.is(error instanceof Problem && error.code, "mail_not_found");
});

test("a timeline whose mail is gone goes as well, once it is old", async ({ context }) => {
  const { ctx } = context;
  const mail = await add(context, { status: "queued" });
  await ctx.db.query(
    `INSERT INTO mail_events (mail_id, type, attempt, at) SELECT gen_random_uuid(), 'sent', 1, now() - make_interval(days => days)
     FROM generate_series(1, 1200), unnest(ARRAY[40, 29]) AS days ORDER BY days DESC`,
  );
  await cleanRecords(ctx);
  assert.is(await count(context, "mail_events WHERE at < now() - interval '30 days'"), 2);
  assert.is(await count(context, `mail_events WHERE mail_id = '${mail}'`), 2);
  assert.is(await count(context, "mail_events WHERE at > now() - interval '30 days'"), 1200);
});

test("the log of requests is kept for ninety days, an idempotency key for one", async ({ context }) => {
  const { ctx } = context;
  await ctx.db.query(
    `INSERT INTO api_logs (client_id, endpoint, method, created_at)
     SELECT 'client_sales', '/api/v1/mail/send', 'POST', now() - make_interval(days => days)
     FROM generate_series(1, 1200), unnest(ARRAY[91, 89]) AS days`,
  );
  await ctx.db.query(
    `INSERT INTO idempotency_keys (client_id, key, body_hash, mail_id, created_at)
     SELECT 'client_sales', hours, '', gen_random_uuid(), now() - make_interval(hours => hours) FROM unnest(ARRAY[23, 25]) AS hours`,
  );
  await cleanRecords(ctx);
  assert.is(await count(context, "api_logs"), 1200);
  assert.is(await count(context, "api_logs WHERE created_at < now() - interval '90 days'"), 0);
  assert.is(await count(context, "idempotency_keys"), 1);
});

test("without MAIL_RETENTION_DAYS mail stays for ever", async ({ context }) => {
  const forEver = await openContext({ env: { DATABASE_URL: context.url, DATA_DIR: context.folder } });
  await add(context, { made: 5000 });
  await cleanRecords(forEver.ctx);
  assert.is(await count(context, "mails"), 1);
  assert.is(await count(context, "mail_events"), 2);
  await forEver.close();
});

test.run();
