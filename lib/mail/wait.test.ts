import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery } from "./deliver.ts";
import { preferredWait, waitForEnd } from "./wait.ts";

const test = suite<{ context: TestContext }>("waiting for a mail");

test.before(async (state) => {
  state.context = await openContext();
});
test.after(({ context }) => context.close());

const accept = async ({ ctx }: TestContext) => (await acceptMail(ctx, aCaller(), aMail())).id;
const set = ({ ctx }: TestContext, id: string, sql: string) =>
  ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);

const headers: [header: string | undefined, seconds: number | undefined][] = [
  ["wait=10", 10],
  ["Wait = 10", 10],
  ['wait="10"', 10],
  ["wait=0", 0],
  ["wait=30", 30],
  ["wait=31", 30],
  ["wait=999999999", 30],
  ["respond-async, wait=5", 5],
  ['foo="wait=7, wait=8"; bar, wait=5; baz=1', 5],
  ["wait=5, wait=7", 5],
  [undefined, undefined],
  ["", undefined],
  ["wait", undefined],
  ["wait=", undefined],
  ["wait=ten", undefined],
  ["wait=-1", undefined],
  ["wait=1.5", undefined],
  ["wait=1 2", undefined],
  ["wait=99999999999999999999", 30],
  ["waiting=5", undefined],
  ["respond-async", undefined],
  ['"wait=5"', undefined],
];
for (const [header, seconds] of headers) {
  test(`Prefer: ${header ?? "(none)"} asks for ${seconds ?? "nothing"}`, () => {
    assert.is(preferredWait(header), seconds);
  });
}

test("whoever waits is told as soon as the mail is sent", async ({ context }) => {
  const id = await accept(context);
  const waiting = waitForEnd(context.ctx, id, 30);
  await attemptDelivery(context.ctx, id, 1);
  assert.is(await waiting, "sent");
});

for (const status of ["failed", "cancelled"] as const) {
  test(`${status} is an end, too`, async ({ context }) => {
    const id = await accept(context);
    const waiting = waitForEnd(context.ctx, id, 30);
    await set(context, id, `status = '${status}'`);
    assert.is(await waiting, status);
  });
}

test("when the time is over, the status is what it is then", async ({ context }) => {
  const id = await accept(context);
  assert.is(await waitForEnd(context.ctx, id, 0), "queued");
  await set(context, id, "status = 'processing'");
  const started = performance.now();
  assert.is(await waitForEnd(context.ctx, id, 1), "processing");
  assert.ok(performance.now() - started >= 999);
});

test("many may wait at once, each for a mail of its own", async ({ context }) => {
  const ids = await Promise.all(Array.from({ length: 100 }, () => accept(context)));
  const waiting = Promise.all(ids.map((id) => waitForEnd(context.ctx, id, 30)));
  const [sent, failed] = [ids.slice(0, 50), ids.slice(50)];
  await context.ctx.db.query("UPDATE mails SET status = 'sent' WHERE id = ANY ($1)", [sent]);
  await context.ctx.db.query("UPDATE mails SET status = 'failed' WHERE id = ANY ($1)", [failed]);
  assert.equal(await waiting, [...sent.map(() => "sent"), ...failed.map(() => "failed")]);
});

test("a client that has gone is waited for no longer", async ({ context }) => {
  const id = await accept(context);
  const call = context.newCall();
  const waiting = waitForEnd(call, id, 30);
  call.abort(new Error("the client has gone"));
  assert.is(await waiting, "queued");
});

test("with PostgreSQL away the mail is still accepted: it is queued, as far as is known", async () => {
  const server = await startPostgres({ durable: false });
  const context = await openContext({ env: { DATABASE_URL: server.url } });
  const id = await accept(context);
  const waiting = waitForEnd(context.ctx, id, 1);
  await server.stop();
  assert.is(await waiting, "queued");
  await context.close();
  await server.close();
});

test.run();
