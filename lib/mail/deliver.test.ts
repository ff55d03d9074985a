import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually, freshRedis } from "../../ops/harness/test.ts";
import type { Outcome } from "../../runtime/broker.ts";
import { startProvider, type Provider } from "../senders/sendgrid.fixture.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery, deliverMail } from "./deliver.ts";
import type { MailInput } from "./draft.ts";
import { releaseExpired } from "./release.ts";
import { readEvents, readStatus } from "./status.ts";

const test = suite<{ provider: Provider; context: TestContext }>("delivering mail");

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

const done: Outcome = { kind: "done" };
/** With every answer that says that the provider has too much to do. */
const ease = true;
const accept = async ({ ctx }: TestContext, mail: Partial<MailInput> = {}) =>
  (await acceptMail(ctx, aCaller(), aMail(mail))).id;
const attempt = ({ ctx }: TestContext, id: string, number: number) => attemptDelivery(ctx, id, number);

interface Row {
  status: string;
  attempt: number;
  retry_count: number;
  error_message: string | null;
  leased: boolean;
  /** Seconds, rounded. */
  due_in: number;
  sent: boolean;
}
async function row({ ctx }: TestContext, id: string): Promise<Row | undefined> {
  const { rows } = await ctx.db.query<Row>(
    `SELECT status, attempt, retry_count, error_message, lease_until IS NOT NULL AS leased,
       round(extract(epoch FROM due_at - updated_at))::int AS due_in, sent_at IS NOT NULL AS sent
     FROM mails WHERE id = $1`,
    [id],
  );
  return rows[0];
}
/** The timeline: type, provider and code of each attempt. */
const timeline = async ({ ctx }: TestContext, id: string) =>
  (await readEvents(ctx, id)).map(({ type, provider, code }) => [type, provider, code].join(" "));
const set = ({ ctx }: TestContext, id: string, sql: string) =>
  ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);

test("a mail is handed to the provider as it was accepted, and is sent", async ({ provider, context }) => {
  const content = Buffer.from([0, 255, 10]).toString("base64");
  const id = await accept(context, {
    from: "Sales <sales@acme.example>",
    cc: ["cc@example.com"],
    html: "<b>42</b>",
    attachments: [{ filename: "a.pdf", content, content_type: "application/pdf" }],
  });
  assert.equal(await attempt(context, id, 1), done);
  const [request] = provider.requests;
  assert.equal(request?.body.from, { email: "sales@acme.example", name: "Sales" });
  assert.equal(request?.body.personalizations[0]?.["cc"], [{ email: "cc@example.com" }]);
  assert.equal(
    request?.body.content.map(({ value }) => value),
    [`${confidential}: 42 each`, "<b>42</b>"],
  );
  assert.is(request?.body.attachments?.[0]?.content, content);
  const { due_in: _due, ...rest } = (await row(context, id)) ?? {};
  assert.equal(rest, { status: "sent", attempt: 1, retry_count: 0, error_message: null, leased: false, sent: true });
  const [event, ...more] = await readEvents(context.ctx, id);
  assert.equal(more, []);
  const { at, duration_ms, ...told } = event ?? { at: "", duration_ms: null };
  assert.equal(told, { type: "sent", provider: "sendgrid", code: "http_202", message: null });
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 10_000);
  assert.ok(duration_ms !== null && duration_ms >= 0 && duration_ms < 5000);
});

test("one message that comes 20 times at once makes one attempt", async ({ provider, context }) => {
  const id = await accept(context);
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => attempt(context, id, 1)));
  assert.ok(outcomes.every(({ kind }) => kind === "done"));
  assert.is(provider.requests.length, 1);
  assert.equal(await timeline(context, id), ["sent sendgrid http_202"]);
});

test("in two processes at once, each of 30 mails is attempted once", async ({ provider, context }) => {
  const other = await openContext({ env: { ...provider.env, DATABASE_URL: context.url, DATA_DIR: context.folder } });
  const ids = await Promise.all(Array.from({ length: 30 }, () => accept(context)));
  await Promise.all([
    ...ids.map((id) => attempt(context, id, 1)),
    ...ids.toReversed().map((id) => attempt(other, id, 1)),
  ]);
  const sent = provider.requests.map(({ body }) => body.custom_args?.["mail_id"]);
  assert.equal(sent.toSorted(), ids.toSorted());
  await other.close();
});

const elsewhere: [state: string, sql: string][] = [
  ["being processed", "status = 'processing', attempt = 1, lease_until = now() + interval '1 minute'"],
  ["sent", "status = 'sent', attempt = 1"],
  ["failed", "status = 'failed', attempt = 1"],
  ["cancelled", "status = 'cancelled'"],
];
for (const [state, sql] of elsewhere) {
  test(`no message does anything to a mail that is ${state}`, async ({ provider, context }) => {
    const id = await accept(context);
    await set(context, id, sql);
    const before = await row(context, id);
    for (const number of [0, 1, 2, 3]) assert.equal(await attempt(context, id, number), done);
    assert.equal(await row(context, id), before);
    assert.equal(await timeline(context, id), []);
    assert.is(provider.requests.length, 0);
  });
}

test("only the next attempt's message counts: older, later and unknown ones do nothing", async ({
  provider,
  context,
}) => {
  const id = await accept(context);
  await set(context, id, "attempt = 2");
  for (const number of [1, 2, 4]) assert.equal(await attempt(context, id, number), done);
  assert.equal(await attempt(context, crypto.randomUUID(), 1), done);
  assert.is(provider.requests.length, 0);
  await attempt(context, id, 3);
  assert.is(provider.requests.length, 1);
});

test("transient: 1, 2, 4, 8, 16 seconds, and then it has failed", async ({ provider, context }) => {
  provider.answer({ status: 503, body: { errors: [{ message: "maintenance" }] } });
  const id = await accept(context);
  for (const [index, seconds] of [1, 2, 4, 8, 16].entries()) {
    assert.equal(await attempt(context, id, index + 1), { kind: "retry", delayMs: seconds * 1000, ease });
    assert.equal(await row(context, id), {
      status: "queued",
      attempt: index + 1,
      retry_count: index + 1,
      error_message: "http_503: The provider has a fault of its own: maintenance",
      leased: false,
      due_in: seconds + 30, // the ladder brings it; the sweep only should that fail
      sent: false,
    });
  }
  assert.equal(await attempt(context, id, 6), { kind: "dead", reason: "http_503", ease });
  const last = await row(context, id);
  assert.equal([last?.status, last?.retry_count, last?.attempt], ["failed", 5, 6]);
  assert.equal(await timeline(context, id), [
    ...Array<string>(5).fill("retry sendgrid http_503"),
    "failed sendgrid http_503",
  ]);
  assert.is(provider.requests.length, 6);
});

test("throttled: due when the provider said, without a message, and no retry used up", async ({
  provider,
  context,
}) => {
  provider.answer({ status: 429, headers: { "retry-after": "70" } });
  const id = await accept(context);
  for (const number of [1, 2, 3, 4, 5, 6, 7]) assert.equal(await attempt(context, id, number), { ...done, ease });
  const state = await row(context, id);
  assert.equal([state?.status, state?.retry_count, state?.attempt, state?.due_in], ["queued", 0, 7, 70]);
  provider.answer({ status: 202 });
  await attempt(context, id, 8);
  const last = await row(context, id);
  assert.equal([last?.status, last?.error_message], ["sent", null]);
});

test("permanent: failed at once, with the provider's words for its sender to read", async ({ provider, context }) => {
  provider.answer({ status: 400, body: { errors: [{ field: "from", message: "not verified" }] } });
  const id = await accept(context);
  assert.equal(await attempt(context, id, 1), { kind: "dead", reason: "http_400" });
  const { status, error_message } = await readStatus(context.ctx, id, aCaller());
  assert.equal([status, error_message], ["failed", "http_400: The provider refused the mail: from: not verified"]);
  assert.equal(await timeline(context, id), ["failed sendgrid http_400"]);
});

test("unknown: recorded as that, and tried again", async ({ provider, context }) => {
  provider.answer("reset");
  const id = await accept(context);
  assert.equal(await attempt(context, id, 1), { kind: "retry", delayMs: 1000, ease });
  assert.equal(await timeline(context, id), ["outcome_unknown sendgrid ECONNRESET"]);
  assert.is((await row(context, id))?.retry_count, 1);
});

test("unknown with the policy hold: recorded as that, and not sent again", async ({ provider, context }) => {
  const { env } = provider;
  const files = { DATABASE_URL: context.url, DATA_DIR: context.folder };
  const holding = await openContext({ env: { ...env, ...files, UNKNOWN_OUTCOME: "hold" } });
  provider.answer({ status: 504 });
  const id = await accept(holding);
  assert.equal(await attempt(holding, id, 1), { kind: "dead", reason: "http_504", ease });
  assert.is((await row(holding, id))?.status, "failed");
  assert.equal(await timeline(holding, id), ["outcome_unknown sendgrid http_504"]);
  await holding.close();
});

test("a mail whose file is gone is tried again, in case its disk comes back", async ({ provider, context }) => {
  const id = await accept(context, { attachments: [{ filename: "a", content: "aGk=" }] });
  const { rows } = await context.ctx.db.query<{ storage_path: string }>(
    "DELETE FROM attachments WHERE mail_id = $1 RETURNING storage_path",
    [id],
  );
  await context.ctx.db.query(
    `INSERT INTO attachments (mail_id, position, filename, size_bytes, storage_path) VALUES ($1, 0, 'a', 2, $2)`,
    [id, `${rows[0]?.storage_path}-gone`],
  );
  assert.equal(await attempt(context, id, 1), { kind: "retry", delayMs: 1000 });
  assert.equal(await timeline(context, id), ["retry sendgrid sender_error"]);
  assert.is(provider.requests.length, 0);
});

test("a sender that was taken away after the mail was accepted fails the mail by that name", async ({
  provider,
  context,
}) => {
  const id = await accept(context);
  const files = { DATABASE_URL: context.url, DATA_DIR: context.folder };
  const changed = await openContext({ env: { ...provider.env, ...files, ORG_EMAIL_DOMAIN: "acme.example" } });
  assert.equal(await attempt(changed, id, 1), { kind: "dead", reason: "sender_not_configured" });
  assert.equal(await timeline(changed, id), ["failed none sender_not_configured"]);
  await changed.close();
});

test("an attempt that lost its lease changes nothing, but is in the timeline", async ({ provider, context }) => {
  const answer = Promise.withResolvers<{ status: number }>();
  provider.answer(answer.promise);
  const id = await accept(context);
  const slow = attempt(context, id, 1);
  await eventually(() => provider.requests.length === 1, { what: "the slow attempt is with the provider" });
  await set(context, id, "lease_until = now() - interval '1 second'");
  assert.is(await releaseExpired(context.ctx), 1);
  provider.answer({ status: 400 });
  assert.equal(await attempt(context, id, 2), { kind: "dead", reason: "http_400" });
  const before = await row(context, id);
  answer.resolve({ status: 202 });
  assert.equal(await slow, done);
  assert.equal(await row(context, id), before);
  assert.equal(await timeline(context, id), [
    "outcome_unknown  lease_expired",
    "failed sendgrid http_400",
    "sent sendgrid http_202",
  ]);
  assert.is((await readStatus(context.ctx, id, aCaller())).status, "failed");
});

test("with PostgreSQL away while the provider answers, the outcome is recorded once it is back", async ({
  provider,
}) => {
  const server = await startPostgres();
  const context = await openContext({ env: { ...provider.env, DATABASE_URL: server.url } });
  const [id, waiting, late] = [await accept(context), await accept(context), await accept(context)];
  const answer = Promise.withResolvers<{ status: number }>();
  provider.answer(answer.promise);
  const sending = attempt(context, id, 1);
  await eventually(() => provider.requests.length === 1, { what: "the mail is with the provider" });
  await server.kill();
  answer.resolve({ status: 202 });
  // A claim waits, too; but once its call's time is up, the message is let go: the sweep has the mail.
  const claiming = attempt(context, waiting, 1);
  const call = context.newCall();
  const overdue = attemptDelivery(call, late, 1);
  call.abort(new Error("time is up"));
  assert.equal(await overdue, done);
  await server.start();
  assert.equal(await Promise.all([sending, claiming]), [done, done]);
  const states = await Promise.all([id, waiting, late].map((one) => row(context, one)));
  assert.equal(
    states.map((state) => [state?.status, state?.attempt]),
    [
      ["sent", 1],
      ["sent", 1],
      ["queued", 0],
    ],
  );
  assert.is(provider.requests.length, 2);
  await context.close();
  await server.close();
});

test("heavy mails are sent as the weight of all allows, in order; light ones do not wait for them", async ({
  provider,
  context,
}) => {
  const ids = [await accept(context), await accept(context), await accept(context)];
  const answer = Promise.withResolvers<{ status: number }>();
  provider.answer(answer.promise);
  const [first, second, light] = ids.map((mail_id, index) => {
    return deliverMail(context.ctx, { mail_id, bytes: index < 2 ? 20 * 2 ** 20 : 256 * 1024 }, 1);
  });
  await eventually(() => provider.requests.length === 2, { what: "a heavy and a light one are with the provider" });
  assert.is(context.ctx.weights.taken, 20 * 2 ** 20);
  assert.is((await row(context, ids[1] ?? ""))?.status, "queued", "the other is not even claimed");
  answer.resolve({ status: 202 });
  assert.equal(await Promise.all([first, second, light]), [done, done, done]);
  assert.is(provider.requests.length, 3);
  assert.is(context.ctx.weights.taken, 0);
});

test("a heavy mail that has to wait too long, or is told to end, goes back to the queue untouched", async ({
  provider,
  context,
}) => {
  const id = await accept(context);
  const heavy = { mail_id: id, bytes: 30 * 2 ** 20 };
  const { weights } = context.ctx;
  using all = await weights.take(Infinity, { withinMs: 0, signal: context.ctx.signal });
  assert.ok(all);
  const call = context.newCall();
  const waiting = deliverMail(call, heavy, 1);
  call.abort(new Error("the process ends"));
  assert.equal(await waiting, { kind: "requeue", at: "front" });

  const hasty = context.newCall();
  const take: typeof weights.take = (bytes, options) => weights.take(bytes, { ...options, withinMs: 20 });
  Object.defineProperty(hasty, "weights", { value: { take, taken: 0 } });
  assert.equal(await deliverMail(hasty, heavy, 1), { kind: "requeue", at: "end" });

  const state = await row(context, id);
  assert.equal([state?.status, state?.attempt, state?.leased], ["queued", 0, false]);
  assert.equal(await timeline(context, id), []);
  assert.is(provider.requests.length, 0);
});

test.run();
