import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import { startProvider, type Provider } from "../senders/sendgrid.fixture.ts";
import { refusal } from "./accept.fixture.ts";
import { acceptMail } from "./accept.ts";
import { cancelMail } from "./cancel.ts";
import { attemptDelivery } from "./deliver.ts";
import { releaseExpired } from "./release.ts";
import { retryMails } from "./retry.ts";
import { cacheStatus, readEvents, readStatus } from "./status.ts";

const test = suite<{ provider: Provider; context: TestContext }>("cancelling mail");

test.before(async (state) => {
  state.provider = await startProvider();
  state.context = await openContext({ env: { ...state.provider.env, KEYDB_URL: await freshRedis() } });
});
test.before.each(({ provider }) => {
  provider.answer({ status: 202 });
  provider.requests.length = 0;
});
test.after(async ({ provider, context }) => {
  await context.close();
  await provider.close();
});

const accept = async ({ ctx }: TestContext) => (await acceptMail(ctx, aCaller(), aMail())).id;
const cancel = ({ ctx }: TestContext, id: string, caller = aCaller()) => cancelMail(ctx, id, caller);
const status = async ({ ctx }: TestContext, id: string) => (await readStatus(ctx, id, aCaller())).status;
const code = async (work: Promise<unknown>) => (await refusal(work)).code;
const set = ({ ctx }: TestContext, id: string, sql: string) =>
  ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);
/** Type of each event of the timeline. */
const timeline = async ({ ctx }: TestContext, id: string) => (await readEvents(ctx, id)).map(({ type }) => type);

test("a queued mail is cancelled: its status says so at once, its timeline too, and its message does nothing", async ({
  provider,
  context,
}) => {
  const id = await accept(context);
  await cancel(context, id);
  assert.is(await status(context, id), "cancelled");
  await attemptDelivery(context.ctx, id, 1);
  assert.is(provider.requests.length, 0);
  assert.is(await status(context, id), "cancelled");
  assert.equal(await timeline(context, id), ["cancelled"]);
});

test("cancelling it again says that it is not queued", async ({ context }) => {
  const id = await accept(context);
  const both = await Promise.allSettled([cancel(context, id), cancel(context, id)]);
  assert.equal(both.map((result) => result.status).toSorted(), ["fulfilled", "rejected"]);
  const again = await refusal(cancel(context, id));
  assert.equal([again.status, again.code, again.message], [400, "cannot_cancel", "Only queued mails can be cancelled"]);
  assert.equal(await timeline(context, id), ["cancelled"]);
});

for (const state of ["processing", "sent", "failed"]) {
  test(`a mail that is ${state} cannot be cancelled`, async ({ context }) => {
    const id = await accept(context);
    await set(context, id, `status = '${state}', attempt = 1`);
    assert.is(await code(cancel(context, id)), "cannot_cancel");
  });
}

test("a client cancels its own mail only, and learns nothing of another's; an admin cancels any", async ({
  context,
}) => {
  const id = await accept(context);
  const other = aCaller("client_other", ["mail:cancel"]);
  assert.is(await code(cancel(context, id, other)), "mail_not_found");
  assert.is(await code(cancel(context, crypto.randomUUID(), other)), "mail_not_found");
  assert.is(await status(context, id), "queued");
  await cancel(context, id, aCaller("client_boss", ["admin"]));
  assert.is(await status(context, id), "cancelled");
});

test("a mail that waits for its retry can be cancelled: the attempt before is known to have failed", async ({
  provider,
  context,
}) => {
  const id = await accept(context);
  provider.answer({ status: 503 });
  await attemptDelivery(context.ctx, id, 1);
  await cancel(context, id);
  await attemptDelivery(context.ctx, id, 2);
  assert.is(provider.requests.length, 1);
  assert.is(await status(context, id), "cancelled");
  assert.equal(await timeline(context, id), ["retry", "cancelled"]);
});

test("a mail for later can be cancelled", async ({ context }) => {
  const later = aMail({ send_at: new Date(Date.now() + 3_600_000).toISOString() });
  const { id } = await acceptMail(context.ctx, aCaller(), later);
  await cancel(context, id);
  assert.is(await status(context, id), "cancelled");
});

test("a mail whose attempt got no answer may have been sent: it cannot be cancelled any more", async ({
  provider,
  context,
}) => {
  const [id, leased, known] = [await accept(context), await accept(context), await accept(context)];
  provider.answer("reset");
  await attemptDelivery(context.ctx, id, 1);
  assert.is(await status(context, id), "queued");
  assert.is(await code(cancel(context, id)), "cannot_cancel");
  // Also when a later attempt is known to have failed.
  provider.answer({ status: 503 });
  await attemptDelivery(context.ctx, id, 2);
  assert.is(await code(cancel(context, id)), "cannot_cancel");

  await set(context, leased, "status = 'processing', attempt = 1, lease_until = now() - interval '1 second'");
  await releaseExpired(context.ctx);
  assert.is(await status(context, leased), "queued");
  assert.is(await code(cancel(context, leased)), "cannot_cancel");

  provider.answer({ status: 429, headers: { "retry-after": "70" } });
  await attemptDelivery(context.ctx, known, 1);
  await cancel(context, known);
});

test("that holds, too, where the policy has let it fail, and it is retried by hand", async ({ provider, context }) => {
  const env = { ...provider.env, DATABASE_URL: context.url, DATA_DIR: context.folder, UNKNOWN_OUTCOME: "hold" };
  const holding = await openContext({ env });
  const [id, leased] = [await accept(holding), await accept(holding)];
  provider.answer("reset");
  await attemptDelivery(holding.ctx, id, 1);
  await set(holding, leased, "status = 'processing', attempt = 1, lease_until = now() - interval '1 second'");
  await releaseExpired(holding.ctx);
  assert.equal(await retryMails(holding.ctx, [id, leased]), { queued: [id, leased], refused: [] });
  for (const one of [id, leased]) assert.is(await code(cancel(holding, one)), "cannot_cancel");
  await holding.close();
});

test("cancelled while it is being claimed: of 200, each is either sent or cancelled, and never both", async ({
  provider,
  context,
}) => {
  const env = { ...provider.env, DATABASE_URL: context.url, DATA_DIR: context.folder };
  const worker = await openContext({ env });
  const ids = await Promise.all(Array.from({ length: 200 }, () => accept(context)));
  const [cancels] = await Promise.all([
    Promise.allSettled(ids.map((id) => cancel(context, id))),
    Promise.all(ids.map((id) => attemptDelivery(worker.ctx, id, 1))),
  ]);
  const sent = new Set(provider.requests.map(({ body }) => body.custom_args?.["mail_id"]));
  const cancelled = ids.filter((_id, index) => cancels[index]?.status === "fulfilled");
  assert.equal(
    cancelled.filter((id) => sent.has(id)),
    [],
  );
  assert.is(cancelled.length + sent.size, 200);
  const { rows } = await context.ctx.db.query<{ status: string; count: number }>(
    "SELECT status, count(*)::int AS count FROM mails WHERE id = ANY ($1) GROUP BY status",
    [ids],
  );
  const counts = Object.fromEntries(rows.map((row) => [row.status, row.count]));
  assert.equal([counts["cancelled"] ?? 0, counts["sent"] ?? 0], [cancelled.length, sent.size]);
  await worker.close();
});

test("a late write of the state before does not bring the mail back to life in the cache", async ({ context }) => {
  const id = await accept(context);
  await cancel(context, id);
  const late = { id, clientId: "client_sales", attempt: 0, retryCount: 0, createdAt: new Date() };
  cacheStatus(context.ctx, { ...late, status: "queued" });
  const cached = await eventually(() => context.ctx.cache.get(`mail:status:${id}`), { what: "the cache knows it" });
  assert.match(JSON.stringify(cached), '"status":"cancelled"');
});

test.run();
