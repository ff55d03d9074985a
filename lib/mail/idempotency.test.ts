import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { ask, attached, count, empty, files, keyed, refusal } from "./accept.fixture.ts";
import { acceptBatch } from "./accept-batch.ts";
import { acceptBatches, type BatchRow } from "./accept.sql.ts";
import { acceptMail } from "./accept.ts";
import { candidate, checkMail, mailRow } from "./candidate.ts";
import type { MailInput } from "./draft.ts";
import { forgetExpiredKeys, type Idempotency } from "./idempotency.ts";

const test = suite<{ context: TestContext }>("idempotency");

test.before(async (state) => {
  state.context = await openContext();
});
test.before.each(({ context }) => empty(context));
test.after(({ context }) => context.close());

const send = ({ ctx }: TestContext, mail: Partial<MailInput> = {}, idempotency?: Idempotency, caller = aCaller()) =>
  acceptMail(ctx, caller, aMail(mail), { idempotency });

/** The reply to a batch as it goes over the wire, and whether it is a repeated one. */
async function sendBatch({ ctx }: TestContext, mails: readonly MailInput[], idempotency: Idempotency) {
  const outcome = await acceptBatch(ctx, aCaller(), mails, { idempotency });
  if (outcome.kind === "refused") throw outcome.problem;
  return { wire: JSON.stringify(outcome.reply), replayed: outcome.replayed };
}

test("50 requests with one key at once make one mail, and 50 equal answers", async ({ context }) => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => send(context, { attachments: [attached("a.txt", "hi")] }, keyed("k"))),
  );
  assert.is(new Set(answers.map(({ id, createdAt }) => `${id} ${createdAt.toISOString()}`)).size, 1);
  assert.is(answers.filter(({ replayed }) => !replayed).length, 1);
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "attachments")], [1, 1]);
  const { ofMails, beside } = await files(context);
  assert.equal([ofMails.length, beside.length], [1, 1], "the other 49 left nothing on disk");
  assert.match(ofMails[0] ?? "", answers[0]?.id ?? "");
});

test("from two processes at once with the same keys in opposite order, each key makes one mail", async ({
  context,
}) => {
  const other = await openContext({ env: { DATABASE_URL: context.url, DATA_DIR: context.folder } });
  const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`);
  const [here, there] = await Promise.all([
    Promise.all(keys.map((key) => send(context, {}, keyed(key)))),
    Promise.all(keys.toReversed().map((key) => send(other, {}, keyed(key)))),
  ]);
  assert.equal(
    here.map(({ id }) => id),
    there.toReversed().map(({ id }) => id),
  );
  assert.is(await count(context, "mails"), 40);
  await other.close();
});

test("a key that was used for another body is refused, and makes nothing", async ({ context }) => {
  const first = await send(context, {}, keyed("k"));
  const other = { attachments: [attached("a.txt", "hi")] };
  assert.is((await refusal(send(context, other, keyed("k", "b")))).code, "idempotency_key_reused");
  assert.equal(await send(context, {}, keyed("k")), { ...first, replayed: true });
  const racing = await Promise.allSettled([send(context, {}, keyed("r")), send(context, other, keyed("r", "b"))]);
  assert.equal(racing.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  await context.settled();
  assert.is(await count(context, "mails"), 2);
});

test("a key is its client's own", async ({ context }) => {
  const [one, other] = [
    await send(context, {}, keyed("k")),
    await send(context, {}, keyed("k", "b"), aCaller("other")),
  ];
  assert.not(other.replayed);
  assert.is.not(one.id, other.id);
});

test("a replayed mail with attachments leaves nothing more on disk", async ({ context }) => {
  const mail = { attachments: [attached("a.txt", "hi")] };
  await send(context, mail, keyed("k"));
  const before = await files(context);
  await send(context, mail, keyed("k"));
  await context.settled();
  assert.equal(await files(context), before);
});

test("an idempotency key holds for a day: after that it may be used again, and is forgotten", async ({ context }) => {
  const age = (key: string, hours: number) =>
    ask(context, "UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $2) WHERE key = $1", [
      key,
      hours,
    ]);
  const first = await send(context, {}, keyed("day"));
  await age("day", 23);
  assert.is((await send(context, {}, keyed("day"))).id, first.id);
  await age("day", 25);
  const again = await send(context, {}, keyed("day", "b"));
  assert.is.not(again.id, first.id);
  assert.is(again.replayed, false);

  await send(context, {}, keyed("old"));
  await age("old", 25);
  await forgetExpiredKeys(context.ctx);
  assert.equal(await ask(context, "SELECT key FROM idempotency_keys"), [{ key: "day" }]);
});

test("50 batches with one key at once are one batch, and 50 replies that are equal to the byte", async ({
  context,
}) => {
  const mails = [
    aMail({ attachments: [attached("a.txt", "hi")] }),
    aMail({ to: ["nobody"] }),
    ...Array.from({ length: 10 }, () => aMail()),
  ];
  const replies = await Promise.all(Array.from({ length: 50 }, () => sendBatch(context, mails, keyed("k"))));
  assert.is(new Set(replies.map(({ wire }) => wire)).size, 1);
  assert.is(replies.filter(({ replayed }) => !replayed).length, 1);
  assert.match(replies[0]?.wire ?? "", /^{"success":false,"batch_id":"[^"]+","results":\[{"mail_id":"/);
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "attachments")], [11, 1]);
  const { ofMails, beside } = await files(context);
  assert.equal([ofMails.length, beside.length], [1, 1], "the other 49 left nothing on disk");
});

test("from two processes at once, batches with the same keys in opposite order are made once each", async ({
  context,
}) => {
  const other = await openContext({ env: { DATABASE_URL: context.url, DATA_DIR: context.folder } });
  const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`);
  const make = (where: TestContext, key: string) => sendBatch(where, [aMail(), aMail()], keyed(key));
  const [here, there] = await Promise.all([
    Promise.all(keys.map((key) => make(context, key))),
    Promise.all(keys.toReversed().map((key) => make(other, key))),
  ]);
  assert.equal(
    here.map(({ wire }) => wire),
    there.toReversed().map(({ wire }) => wire),
  );
  assert.is(await count(context, "mails"), 40);
  await other.close();
});

test("50 that were held up by one that is then refused race for its key: still one mail, one batch, and one file", async ({
  context,
}) => {
  const attachments = [attached("a.txt", "hi")];
  const wrong = { to: ["nobody"] };
  const race = async <T>(first: Promise<unknown>, repeat: () => Promise<T>): Promise<T[]> => {
    const others = Array.from({ length: 50 }, repeat);
    await refusal(first);
    return await Promise.all(others);
  };
  const sent = await race(send(context, wrong, keyed("k", "b")), () => send(context, { attachments }, keyed("k")));
  assert.is(new Set(sent.map(({ id }) => id)).size, 1);
  const batch = [aMail({ attachments }), aMail({ attachments })];
  const batches = await race(sendBatch(context, [aMail(wrong)], keyed("batch", "b")), () =>
    sendBatch(context, batch, keyed("batch")),
  );
  assert.is(new Set(batches.map(({ wire }) => wire)).size, 1);
  for (const replies of [sent, batches]) assert.is(replies.filter(({ replayed }) => !replayed).length, 1);
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "attachments")], [3, 3]);
  assert.is((await files(context)).ofMails.length, 3);
});

test("two batches with one key that go in one statement: one of them is inserted", async ({ context }) => {
  const { ctx } = context;
  const caller = aCaller();
  const batch = async (subject: string): Promise<BatchRow> => {
    const draft = await checkMail(ctx, caller, aMail({ subject }), { source: "api", large: undefined });
    const mail = candidate(ctx, draft);
    return {
      client_id: caller.clientId,
      idempotency_key: "k",
      body_hash: "a".repeat(64),
      reply: "{}",
      created_at: mail.createdAt.toISOString(),
      mails: [mailRow(caller, "api", mail, ctx.clock.uuid())],
    };
  };
  const rows = await Promise.all([batch("one"), batch("other"), batch("third")]);
  const inserted = await Promise.all(rows.map((row) => ctx.db.batch(acceptBatches, row)));
  assert.equal(inserted.map(({ length }) => length).toSorted(), [0, 0, 1]);
  assert.equal([await count(context, "mails"), await count(context, "idempotency_keys")], [1, 1]);
});

test("a batch whose key was used for another body, or for a single mail, is refused, and the other way round", async ({
  context,
}) => {
  await sendBatch(context, [aMail()], keyed("batch"));
  await send(context, {}, keyed("mail"));
  const attempts = [
    sendBatch(context, [aMail()], keyed("batch", "b")),
    sendBatch(context, [aMail()], keyed("mail")),
    send(context, {}, keyed("batch")),
    send(context, {}, keyed("batch", "b")),
  ];
  const codes = await Promise.all(attempts.map(async (attempt) => (await refusal(attempt)).code));
  assert.equal(codes, Array<string>(4).fill("idempotency_key_reused"));
  assert.is(await count(context, "mails"), 2);
});

test("a single mail and a batch that race for one key: one of them wins, the other is refused", async ({ context }) => {
  for (let round = 0; round < 10; round++) {
    const key = keyed(`round ${round}`);
    const ended = await Promise.allSettled([send(context, {}, key), sendBatch(context, [aMail()], key)]);
    assert.equal(ended.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  }
  assert.is(await count(context, "mails"), 10);
});

test("a batch that was refused may be sent again, mended, under the same key", async ({ context }) => {
  await refusal(sendBatch(context, [aMail({ to: ["nobody"] })], keyed("k")));
  assert.not((await sendBatch(context, [aMail()], keyed("k", "b"))).replayed);
});

test("the first reply is repeated even when the mail would not be accepted any more", async ({ context }) => {
  const files = { DATABASE_URL: context.url, DATA_DIR: context.folder };
  const first = await send(context, {}, keyed("k"));
  const batch = await sendBatch(context, [aMail()], keyed("b"));
  const strict = await openContext({ env: { ...files, APP_ENV: "production", ORG_EMAIL_DOMAIN: "acme.example" } });
  assert.equal(await send(strict, {}, keyed("k")), { ...first, replayed: true });
  assert.equal(await sendBatch(strict, [aMail()], keyed("b")), { ...batch, replayed: true });
  await strict.close();
});

test("a mail for later is replayed with its time", async ({ context }) => {
  const mail = { send_at: new Date(Date.now() + 3_600_000).toISOString() };
  const first = await send(context, mail, keyed("k"));
  assert.equal(await send(context, mail, keyed("k")), { ...first, replayed: true });
});

test.run();
