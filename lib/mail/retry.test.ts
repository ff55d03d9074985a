import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshRedis, freshVhost } from "../../ops/harness/test.ts";
import { startProvider, type Provider } from "../senders/sendgrid.fixture.ts";
import { attached, refusal } from "./accept.fixture.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery } from "./deliver.ts";
import type { MailInput } from "./draft.ts";
import { retryMail, retryMails } from "./retry.ts";
import { readEvents, readStatus } from "./status.ts";

const test = suite<{ provider: Provider; context: TestContext }>("retrying mail");

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

const accept = async ({ ctx }: TestContext, mail: Partial<MailInput> = {}) =>
  (await acceptMail(ctx, aCaller(), aMail(mail))).id;
/** A mail that its provider has refused. */
async function failed(context: TestContext, provider: Provider, mail: Partial<MailInput> = {}): Promise<string> {
  const id = await accept(context, mail);
  provider.answer({ status: 400, body: { errors: [{ message: "not verified" }] } });
  await attemptDelivery(context.ctx, id, 1);
  provider.answer({ status: 202 });
  provider.requests.length = 0;
  return id;
}
const state = async ({ ctx }: TestContext, id: string) => {
  const { status, retry_count, error_message } = await readStatus(ctx, id, aCaller());
  return { status, retry_count, error_message };
};
const set = ({ ctx }: TestContext, id: string, sql: string) =>
  ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);

test("a failed mail is queued as if it were new, and then sent", async ({ provider, context }) => {
  const id = await failed(context, provider);
  await set(context, id, "retry_count = 5, dropped_at = now()");
  await retryMail(context.ctx, id, aCaller());
  assert.equal(await state(context, id), { status: "queued", retry_count: 0, error_message: "" });
  const { rows } = await context.ctx.db.query("SELECT dropped_at FROM mails WHERE id = $1", [id]);
  assert.equal(rows, [{ dropped_at: null }]);
  // A message of its first life, from wherever it may still lie, does nothing.
  await attemptDelivery(context.ctx, id, 1);
  assert.is(provider.requests.length, 0);
  await attemptDelivery(context.ctx, id, 2);
  assert.is((await state(context, id)).status, "sent");
  const types = (await readEvents(context.ctx, id)).map(({ type }) => type);
  assert.equal(types, ["failed", "requeued", "sent"]);
});

test("it has all its retries before it again", async ({ provider, context }) => {
  const id = await failed(context, provider);
  await set(context, id, "retry_count = 5");
  await retryMail(context.ctx, id, aCaller());
  provider.answer({ status: 503 });
  const outcome = await attemptDelivery(context.ctx, id, 2);
  assert.equal([outcome.kind, "delayMs" in outcome && outcome.delayMs], ["retry", 1000]);
});

for (const status of ["queued", "processing", "sent", "cancelled"]) {
  test(`a mail that is ${status} cannot be retried`, async ({ context }) => {
    const id = await accept(context);
    await set(context, id, `status = '${status}'`);
    const problem = await refusal(retryMail(context.ctx, id, aCaller()));
    assert.equal(
      [problem.status, problem.code, problem.message],
      [400, "cannot_retry", "Only failed mails can be retried"],
    );
  });
}

test("retried twice at once, it is queued once", async ({ provider, context }) => {
  const id = await failed(context, provider);
  const both = await Promise.allSettled([1, 2].map(() => retryMail(context.ctx, id, aCaller())));
  assert.equal(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
});

test("a client retries its own mail only; an admin any", async ({ provider, context }) => {
  const id = await failed(context, provider);
  const other = aCaller("client_other", ["mail:send"]);
  assert.is((await refusal(retryMail(context.ctx, id, other))).code, "mail_not_found");
  assert.is((await refusal(retryMail(context.ctx, crypto.randomUUID(), aCaller()))).code, "mail_not_found");
  assert.is((await state(context, id)).status, "failed");
  await retryMail(context.ctx, id, aCaller("client_boss", ["admin"]));
  assert.is((await state(context, id)).status, "queued");
});

test("a mail whose attachments have been cleaned away is refused, and says so", async ({ provider, context }) => {
  const id = await failed(context, provider, { attachments: [attached("a.txt", "hi"), attached("b.txt", "ho")] });
  await context.ctx.db.query("UPDATE attachments SET removed_at = now() WHERE mail_id = $1 AND position = 0", [id]);
  const problem = await refusal(retryMail(context.ctx, id, aCaller()));
  assert.is(problem.code, "cannot_retry");
  assert.match(problem.message, "attachments have been cleaned away");
  assert.is((await state(context, id)).status, "failed");
});

test("of many, those that can be are queued, and the others have their reason", async ({ provider, context }) => {
  const good = await Promise.all([failed(context, provider), failed(context, provider)]);
  const cleaned = await failed(context, provider, { attachments: [attached("a.txt", "hi")] });
  await context.ctx.db.query("UPDATE attachments SET removed_at = now() WHERE mail_id = $1", [cleaned]);
  const [queued, unknown] = [await accept(context), crypto.randomUUID()];
  const result = await retryMails(context.ctx, [...good, cleaned, queued, unknown]);
  assert.equal(result.queued, good);
  const reasons = Object.fromEntries(result.refused.map(({ id, problem }) => [id, problem.message]));
  assert.equal(Object.keys(reasons).toSorted(), [cleaned, queued, unknown].toSorted());
  assert.match(reasons[cleaned] ?? "", "cleaned away");
  assert.is(reasons[queued], "Only failed mails can be retried");
  assert.equal(await retryMails(context.ctx, []), { queued: [], refused: [] });
});

test("the message is published at once; with the broker away the sweep may publish it at once", async ({
  provider,
  context,
}) => {
  const away = await failed(context, provider);
  await retryMail(context.ctx, away, aCaller());
  const due = "SELECT due_at <= now() AS due FROM mails WHERE id = $1";
  assert.equal((await context.ctx.db.query(due, [away])).rows, [{ due: true }]);

  const env = { ...provider.env, DATABASE_URL: context.url, DATA_DIR: context.folder };
  const connected = await openContext({ env: { ...env, RABBITMQ_URL: await freshVhost() } });
  const { broker, config } = connected.ctx;
  const got: unknown[] = [];
  await broker.consume(config.queues.mail, { concurrency: 1 }, async ({ message, attempt }) => {
    got.push([message, attempt]);
    return { kind: "done" };
  });
  const id = await failed(context, provider, { attachments: [attached("a.txt", "12345")] });
  await retryMail(connected.ctx, id, aCaller());
  await eventually(() => got.length > 0, { what: "the message" });
  assert.equal(got, [[{ mail_id: id, bytes: 5 }, 2]]);
  assert.equal((await context.ctx.db.query(due, [id])).rows, [{ due: false }]);
  await connected.close();
});

test.run();
