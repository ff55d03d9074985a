import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { freshRedis } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { isUnavailable } from "../resources/database.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery } from "./deliver.ts";
import { cacheStatus, forgetStatus, readEvents, readStatus } from "./status.ts";

const test = suite<{ context: TestContext; clock: { ahead: number } }>("mail status");

/** With a clock that runs ahead by `clock.ahead` milliseconds, and a cache. */
test.before(async (state) => {
  state.clock = { ahead: 0 };
  const { clock } = state;
  const now = () => new Date(Date.now() + clock.ahead);
  state.context = await openContext({ env: { KEYDB_URL: await freshRedis() }, clock: { now } });
});
test.before.each(({ clock }) => {
  clock.ahead = 0;
});
test.after(({ context }) => context.close());

const accept = async ({ ctx }: TestContext) => (await acceptMail(ctx, aCaller(), aMail())).id;
const status = async ({ ctx }: TestContext, id: string, caller = aCaller()) =>
  (await readStatus(ctx, id, caller)).status;
const code = async (work: Promise<unknown>) => {
  const error = await work.catch((failure: unknown) => failure);
  return error instanceof Problem ? error.code : error;
};
/** Changes the row behind the cache's back. */
const set = ({ ctx }: TestContext, id: string, to: string) =>
  ctx.db.query("UPDATE mails SET status = $2 WHERE id = $1", [id, to]);

test("the cache and PostgreSQL tell the same story", async ({ context }) => {
  const { ctx } = context;
  const id = await accept(context);
  for (const step of ["queued", "sent"]) {
    const fromCache = await readStatus(ctx, id, aCaller());
    forgetStatus(ctx, id);
    const fromDatabase = await readStatus(ctx, id, aCaller());
    assert.is(fromCache.status, step);
    const { last_updated: _one, sent_at: sentCache, ...cached } = fromCache;
    const { last_updated: _two, sent_at: sentDatabase, ...stored } = fromDatabase;
    assert.equal(cached, stored);
    assert.is(sentCache === null, sentDatabase === null);
    assert.is(step === "sent", sentDatabase !== null);
    if (step === "queued") await attemptDelivery(ctx, id, 1);
  }
  assert.equal(Object.keys(await readStatus(ctx, id, aCaller())), [
    "mail_id",
    "status",
    "retry_count",
    "created_at",
    "sent_at",
    "last_updated",
    "error_message",
  ]);
});

test("what was just written is answered by the cache alone", async ({ context }) => {
  const id = await accept(context);
  await set(context, id, "failed");
  assert.is(await status(context, id), "queued");
});

test("a state that can still change is not believed when it is two seconds old", async ({ context, clock }) => {
  const id = await accept(context);
  await set(context, id, "failed");
  clock.ahead = 1500;
  assert.is(await status(context, id), "queued");
  clock.ahead = 2500;
  assert.is(await status(context, id), "failed");
});

test("a failed mail may come back, so an old failure is looked up again; sent is for ever", async ({
  context,
  clock,
}) => {
  const [failed, sent] = [await accept(context), await accept(context)];
  const common = { clientId: "client_sales", attempt: 1, retryCount: 0, createdAt: new Date() };
  cacheStatus(context.ctx, { ...common, id: failed, status: "failed" });
  cacheStatus(context.ctx, { ...common, id: sent, status: "sent" });
  clock.ahead = 3_600_000;
  assert.is(await status(context, failed), "queued");
  assert.is(await status(context, sent), "sent");
});

test("a late write of an older state does not hide a newer one", async ({ context }) => {
  const id = await accept(context);
  await attemptDelivery(context.ctx, id, 1);
  const late = { id, clientId: "client_sales", attempt: 1, retryCount: 0, createdAt: new Date() };
  cacheStatus(context.ctx, { ...late, status: "processing" });
  cacheStatus(context.ctx, { ...late, attempt: 0, status: "queued" });
  assert.is(await status(context, id), "sent");
});

test("another client's mail, and one that never was, are equally not found; an admin sees all", async ({ context }) => {
  const { ctx } = context;
  const id = await accept(context);
  const stranger = aCaller("client_other");
  const problems = [
    await code(readStatus(ctx, id, stranger)),
    await code(readStatus(ctx, crypto.randomUUID(), aCaller())),
    await code((forgetStatus(ctx, id), readStatus(ctx, id, stranger))),
  ];
  assert.equal(problems, ["mail_not_found", "mail_not_found", "mail_not_found"]);
  assert.is(await status(context, id, aCaller("client_boss", ["admin"])), "queued");
});

test("the timeline is that of one mail, oldest first", async ({ context }) => {
  const [id, other] = [await accept(context), await accept(context)];
  await context.ctx.db.query("INSERT INTO mail_events (mail_id, type, attempt) VALUES ($1, 'retry', 1), ($2, 'x', 1)", [
    id,
    other,
  ]);
  await context.ctx.db.query("UPDATE mails SET attempt = 1 WHERE id = $1", [id]);
  await attemptDelivery(context.ctx, id, 2);
  const events = await readEvents(context.ctx, id);
  assert.equal(
    events.map(({ type, provider, code }) => [type, provider, code]),
    [
      ["retry", null, null],
      ["sent", "sandbox", "http_202"],
    ],
  );
});

test("with PostgreSQL away the cache answers as long as it can, and else it is said at once", async ({ clock }) => {
  const server = await startPostgres({ durable: false });
  const now = () => new Date(Date.now() + clock.ahead);
  const env = { DATABASE_URL: server.url, KEYDB_URL: await freshRedis() };
  const context = await openContext({ env, clock: { now } });
  const [known, unknown] = [await accept(context), await accept(context)];
  forgetStatus(context.ctx, unknown);
  assert.is(await status(context, known), "queued");
  await server.stop();
  clock.ahead = 3_600_000;
  assert.is(await status(context, known), "queued", "old, but all that is known");
  assert.is(await code(readStatus(context.ctx, known, aCaller("client_other"))), "mail_not_found");
  const started = performance.now();
  assert.ok(isUnavailable(await code(readStatus(context.ctx, unknown, aCaller()))));
  assert.ok(performance.now() - started < 2000);
  await context.close();
  await server.close();
});

test("without a cache every answer is PostgreSQL's", async ({ context }) => {
  const bare = await openContext({ env: { DATABASE_URL: context.url, DATA_DIR: context.folder } });
  const id = await accept(bare);
  await set(bare, id, "failed");
  assert.is(await status(bare, id), "failed");
  await bare.close();
});

test.run();
