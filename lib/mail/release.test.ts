import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { freshRedis } from "../../ops/harness/test.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery } from "./deliver.ts";
import { releaseExpired } from "./release.ts";
import { readEvents, readStatus } from "./status.ts";

const test = suite<{ context: TestContext; holding: TestContext }>("releasing mail");

test.before(async (state) => {
  state.context = await openContext({ env: { KEYDB_URL: await freshRedis() } });
  const env = { DATABASE_URL: state.context.url, DATA_DIR: state.context.folder, UNKNOWN_OUTCOME: "hold" };
  state.holding = await openContext({ env });
});
test.before.each(async ({ context }) => {
  await context.ctx.db.query("TRUNCATE mails, attachments, mail_events");
});
test.after(async ({ context, holding }) => {
  await holding.close();
  await context.close();
});

/** A mail that a worker left in the middle of attempt number `attempt`. */
async function leased({ ctx }: TestContext, until: string, attempt = 1): Promise<string> {
  const { id } = await acceptMail(ctx, aCaller(), aMail());
  await ctx.db.query(
    `UPDATE mails SET status = 'processing', attempt = $2, retry_count = 1, lease_until = now() + $3::interval
     WHERE id = $1`,
    [id, attempt, until],
  );
  return id;
}
const state = async ({ ctx }: TestContext, id: string) =>
  (
    await ctx.db.query(
      `SELECT status, attempt, retry_count, error_message, lease_until, due_at <= now() AS due FROM mails WHERE id = $1`,
      [id],
    )
  ).rows[0];
const timeline = async ({ ctx }: TestContext, id: string) =>
  (await readEvents(ctx, id)).map(({ type, code }) => `${type} ${code}`);

test("a mail whose worker ended is queued again, and its timeline says what is not known", async ({ context }) => {
  const id = await leased(context, "-1 second");
  assert.is(await releaseExpired(context.ctx), 1);
  assert.equal(await state(context, id), {
    status: "queued",
    attempt: 1,
    retry_count: 1,
    error_message: null,
    lease_until: null,
    due: true,
  });
  assert.equal(await timeline(context, id), ["outcome_unknown lease_expired"]);
  assert.equal(await attemptDelivery(context.ctx, id, 1), { kind: "done" });
  assert.is((await readStatus(context.ctx, id, aCaller())).status, "queued", "the dead worker's message does nothing");
  await attemptDelivery(context.ctx, id, 2);
  assert.is((await readStatus(context.ctx, id, aCaller())).status, "sent");
});

test("a lease that still runs is left alone, and so is what is in no worker's hands", async ({ context }) => {
  const live = await leased(context, "1 second 30 minutes");
  const { id: queued } = await acceptMail(context.ctx, aCaller(), aMail());
  const { id: sent } = await acceptMail(context.ctx, aCaller(), aMail());
  await attemptDelivery(context.ctx, sent, 1);
  const before = await Promise.all([live, queued, sent].map((id) => state(context, id)));
  assert.is(await releaseExpired(context.ctx), 0);
  assert.equal(await Promise.all([live, queued, sent].map((id) => state(context, id))), before);
});

test("with the policy hold the mail fails instead, and says why", async ({ holding }) => {
  const id = await leased(holding, "-1 second");
  assert.is(await releaseExpired(holding.ctx), 1);
  const { status, error_message } = (await state(holding, id)) ?? {};
  assert.equal([status, error_message], ["failed", "outcome_unknown"]);
  assert.equal(await timeline(holding, id), ["outcome_unknown lease_expired"]);
});

test("a mail that ends every worker that takes it fails at its 25th attempt", async ({ context }) => {
  const [last, next] = [await leased(context, "-1 second", 25), await leased(context, "-1 second", 24)];
  assert.is(await releaseExpired(context.ctx), 2);
  assert.equal(
    [(await state(context, last))?.["status"], (await state(context, next))?.["status"]],
    ["failed", "queued"],
  );
});

test("a start that knows no other worker lives takes back every lease", async ({ context }) => {
  const [live, dead] = [await leased(context, "30 minutes"), await leased(context, "-1 second")];
  assert.is(await releaseExpired(context.ctx, { all: true }), 2);
  for (const id of [live, dead]) assert.is((await state(context, id))?.["status"], "queued");
});

test("two processes at once take each mail back once, however many there are", async ({ context, holding }) => {
  await context.ctx.db.query(
    `INSERT INTO mails (from_address, to_addresses, subject, client_id, status, attempt, lease_until)
     SELECT 'a@acme.example', '{b@example.com}', 'x', 'c', 'processing', 1, now() - interval '1 second'
     FROM generate_series(1, 2500)`,
  );
  const config = context.ctx.config;
  const { db, cache, log, mailMetrics } = holding.ctx;
  const other = { db, cache, log, mailMetrics, config };
  const [here, there] = await Promise.all([releaseExpired(context.ctx), releaseExpired(other)]);
  assert.is(here + there, 2500);
  const { rows } = await context.ctx.db.query(
    `SELECT count(*)::int AS events, count(DISTINCT mail_id)::int AS mails FROM mail_events`,
  );
  assert.equal(rows, [{ events: 2500, mails: 2500 }]);
});

test("what the cache said of the mail is forgotten", async ({ context }) => {
  const { ctx } = context;
  const { id } = await acceptMail(ctx, aCaller(), aMail());
  await ctx.db.query(
    "UPDATE mails SET status = 'processing', attempt = 1, lease_until = now() - interval '1s' WHERE id = $1",
    [id],
  );
  assert.ok(await ctx.cache.get(`mail:status:${id}`));
  await releaseExpired(ctx);
  assert.is(await ctx.cache.get(`mail:status:${id}`), undefined);
});

test.run();
