import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshVhost } from "../../ops/harness/test.ts";
import { Caller } from "../auth/caller.ts";
import { ask, attached, count, empty, files, keyed, refusal } from "./accept.fixture.ts";
import { acceptMail } from "./accept.ts";
import type { MailInput } from "./draft.ts";
import type { Idempotency } from "./idempotency.ts";
import { publishStranded } from "./publish.ts";

const test = suite<{ context: TestContext }>("accepting mail");

test.before(async (state) => {
  state.context = await openContext();
});
test.before.each(({ context }) => empty(context));
test.after(({ context }) => context.close());

const send = ({ ctx }: TestContext, mail: Partial<MailInput> = {}, idempotency?: Idempotency, caller = aCaller()) =>
  acceptMail(ctx, caller, aMail(mail), { idempotency });

test("when it returns, the mail is committed with all that was given", async ({ context }) => {
  const { id, createdAt, replayed } = await send(context, {
    from: "Sales <sales@ACME.example>",
    to: ["Ann <ann@example.com>", "bob@example.com"],
    cc: ["cc@example.com"],
    bcc: ["bcc@example.com", "ann@example.com"],
    html: "<b>42</b>",
    metadata: { order: "王", i: 7, list: [null, true] },
  });
  const [row] = await ask<Record<string, unknown>>(context, "SELECT * FROM mails WHERE id = $1", [id]);
  assert.not(replayed);
  const { due_at: _due, updated_at, ...rest } = row ?? {};
  assert.equal(updated_at, createdAt);
  assert.equal(rest, {
    id,
    from_address: "sales@acme.example",
    to_addresses: ["ann@example.com", "bob@example.com"],
    cc_addresses: ["cc@example.com"],
    bcc_addresses: ["bcc@example.com"],
    reply_to: [],
    headers: null,
    names: { "sales@acme.example": "Sales", "ann@example.com": "Ann" },
    subject: `${confidential}: the offer`,
    body: `${confidential}: 42 each`,
    html: "<b>42</b>",
    status: "queued",
    retry_count: 0,
    error_message: null,
    sent_at: null,
    created_at: createdAt,
    client_id: "client_sales",
    client_name: "The client_sales",
    source: "api",
    metadata: { order: "王", i: 7, list: [null, true] },
    attempt: 0,
    lease_until: null,
    send_at: null,
    batch_id: null,
    attachment_bytes: "0",
    relay: null,
    traceparent: context.ctx.trace.traceparent,
    maybe_sent: false,
    dropped_at: null,
  });
});

test("a mail to oneself goes out under the sender's own name", async ({ context }) => {
  await send(context, { from: "Sales <me@acme.example>", to: ["Me <me@acme.example>"] });
  assert.equal(await ask(context, "SELECT names FROM mails"), [{ names: { "me@acme.example": "Sales" } }]);
});

test("64 at once share few commits, and all are there", async ({ context }) => {
  const accepted = await Promise.all(Array.from({ length: 64 }, (_, n) => send(context, { subject: `Offer ${n}` })));
  assert.is(new Set(accepted.map(({ id }) => id)).size, 64);
  const [sum] = await ask<object>(
    context,
    `SELECT count(*)::int AS mails, count(DISTINCT subject)::int AS subjects,
       count(DISTINCT xmin::text)::int <= 4 AS few FROM mails WHERE id = ANY ($1)`,
    [accepted.map(({ id }) => id)],
  );
  assert.equal(sum, { mails: 64, subjects: 64, few: true });
});

test("a poisoned row fails alone: its neighbours are accepted, and nothing of it stays", async ({ context }) => {
  // Longer than its column: no request gets this far with it, and that must not matter.
  const poison = new Caller({
    id: "",
    client_id: "x".repeat(101),
    client_name: "",
    department: null,
    permissions: [],
  });
  const sent = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      send(context, { attachments: [attached("a.txt", `${n}`)] }, undefined, n === 7 ? poison : aCaller()),
    ),
  );
  assert.equal(
    sent.flatMap(({ status }, n) => (status === "rejected" ? [n] : [])),
    [7],
  );
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "attachments")], [19, 19]);
  const known = await ask<{ path: string }>(context, "SELECT storage_path AS path FROM attachments");
  const expected = known.map(({ path }) => context.ctx.attachments.resolve(path));
  const { ofMails, beside } = await files(context);
  assert.equal(ofMails.toSorted(), expected.toSorted());
  assert.is(beside.length, 19);
});

test("attachments are on disk byte for byte under safe names, before the mail is there", async ({ context }) => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, n) => n % 256));
  const { id, createdAt } = await send(context, {
    attachments: [
      attached("../../etc/passwd", bytes),
      { ...attached("報價.pdf", "pdf"), content_type: "application/pdf" },
      attached("報價.pdf", "other"),
    ],
  });
  const rows = await ask<{ filename: string; content_type: string | null; size: number; storage_path: string }>(
    context,
    `SELECT filename, content_type, size_bytes::int AS size, storage_path FROM attachments
     WHERE mail_id = $1 ORDER BY position`,
    [id],
  );
  const folder = `${createdAt.toISOString().slice(0, 10).replaceAll("-", "/")}/${id}`;
  assert.equal(rows, [
    { filename: "../../etc/passwd", content_type: null, size: 1000, storage_path: `${folder}/__.._etc_passwd` },
    { filename: "報價.pdf", content_type: "application/pdf", size: 3, storage_path: `${folder}/報價.pdf` },
    { filename: "報價.pdf", content_type: null, size: 5, storage_path: `${folder}/報價-2.pdf` },
  ]);
  const contents = await Promise.all(rows.map(({ storage_path }) => context.ctx.attachments.read(storage_path)));
  assert.equal(contents.map(String), [String(bytes), "pdf", "other"]);
  assert.ok(contents[0]?.equals(bytes));
});

test("a mail that is refused leaves nothing in the database or on disk", async ({ context }) => {
  const attachments = [attached("a.txt", "hi")];
  const codes = [
    await refusal(send(context, { attachments, body: "" }, keyed("k"))),
    await refusal(send(context, { attachments, to: ["nobody"] }, keyed("k"))),
    await refusal(send(context, { attachments: [...attachments, attached("big", Buffer.alloc(26 * 2 ** 20))] })),
  ].map(({ code }) => code);
  assert.equal(codes, ["empty_body", "invalid_request", "attachment_too_large"]);
  await context.settled();
  assert.equal(await files(context), { ofMails: [], beside: [] });
  assert.equal([await count(context, "mails"), await count(context, "idempotency_keys")], [0, 0]);
});

test("a mail that comes in another way is kept as such", async ({ context }) => {
  await acceptMail(context.ctx, aCaller(), aMail(), { source: "smtp" });
  assert.equal(await ask(context, "SELECT source FROM mails"), [{ source: "smtp" }]);
});

test("a mail for later is expected at its time, and due then", async ({ context }) => {
  const sendAt = new Date(Date.now() + 3_600_000);
  const { id, createdAt, expectedAt } = await send(context, { send_at: sendAt.toISOString() });
  assert.equal(expectedAt, sendAt);
  assert.ok(createdAt < sendAt);
  const rows = await ask(context, "SELECT status, send_at, due_at FROM mails WHERE id = $1", [id]);
  assert.equal(rows, [{ status: "queued", send_at: sendAt, due_at: sendAt }]);
});

test("a time that has just passed is now", async ({ context }) => {
  const { createdAt, expectedAt } = await send(context, { send_at: new Date(Date.now() - 30_000).toISOString() });
  assert.equal(expectedAt, createdAt);
  const problem = await refusal(send(context, { send_at: new Date(Date.now() - 61_000).toISOString() }));
  assert.equal([problem.code, problem.details?.[0]?.field], ["invalid_request", "send_at"]);
});

test("a mail for later is not published before, one for in a moment just then", async () => {
  const context = await openContext({ env: { RABBITMQ_URL: await freshVhost() } });
  const { broker, config } = context.ctx;
  const got: { message: unknown; at: number }[] = [];
  await broker.consume(config.queues.mail, { concurrency: 10 }, async ({ message }) => {
    got.push({ message, at: Date.now() });
    return { kind: "done" };
  });
  const at = Date.now() + 700;
  await send(context, { send_at: new Date(at + 3_600_000).toISOString() });
  const { id } = await send(context, { send_at: new Date(at).toISOString() });
  await eventually(() => got.length > 0, { what: "the message" });
  await context.settled();
  assert.equal(
    got.map(({ message }) => message),
    [{ mail_id: id }],
  );
  assert.ok((got[0]?.at ?? 0) >= at, "not a millisecond early");
  await context.close();
});

test("the message says what the attachments weigh", async () => {
  const context = await openContext({ env: { RABBITMQ_URL: await freshVhost() } });
  const { broker, config } = context.ctx;
  const got: unknown[] = [];
  await broker.consume(config.queues.mail, { concurrency: 10 }, async ({ message }) => {
    got.push(message);
    return { kind: "done" };
  });
  const { id } = await send(context, { attachments: [attached("a.txt", "12345"), attached("b.txt", "678")] });
  await eventually(() => got.length > 0, { what: "the message" });
  assert.equal(got, [{ mail_id: id, bytes: 8 }]);
  await context.close();
});

test("what a limit refuses leaves nothing; what is not stored uses nothing up", async () => {
  const limited = await openContext({ env: { RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "2" } });
  const attachments = [attached("a.txt", "hi")];
  // Refused for itself, replayed, and lost to a request with the same key: none of them counts.
  await refusal(send(limited, { to: ["nobody"] }));
  await Promise.all(Array.from({ length: 5 }, () => send(limited, { attachments }, keyed("k"))));
  await send(limited, { attachments }, keyed("k"));
  await send(limited);
  const before = await files(limited);
  assert.is((await refusal(send(limited, { attachments: [attached("b.txt", "more")] }))).code, "rate_limited");
  await limited.settled();
  assert.equal(await files(limited), before);
  assert.is(await count(limited, "mails"), 2);
  await limited.close();
});

test("in production nothing is accepted that no provider would take", async () => {
  const production = await openContext({ env: { APP_ENV: "production", ORG_EMAIL_DOMAIN: "corp.example" } });
  for (const from of ["a@acme.example", "a@corp.example"]) {
    assert.is((await refusal(send(production, { from }))).code, "sender_not_configured");
  }
  assert.is(await count(production, "mails"), 0);
  await production.close();
});

test("with the broker away a mail is accepted and due at once; with it back, the sweep publishes it", async () => {
  const away = await openContext();
  const { id } = await send(away);
  await away.settled();
  const due = await ask(away, "SELECT due_at <= now() AS due FROM mails WHERE id = $1", [id]);
  assert.equal(due, [{ due: true }]);

  const env = { DATABASE_URL: away.url, DATA_DIR: away.folder, RABBITMQ_URL: await freshVhost() };
  const back = await openContext({ env });
  const { broker, config } = back.ctx;
  await publishStranded(back.ctx);
  const got: unknown[] = [];
  const consumer = await broker.consume(config.queues.mail, { concurrency: 1 }, async ({ message, attempt }) => {
    got.push([message, attempt]);
    return { kind: "done" };
  });
  await eventually(() => got.length > 0, { what: "the message" });
  assert.equal(got, [[{ mail_id: id }, 1]]);
  await consumer.drain();

  const { id: second } = await send(back);
  await back.settled();
  await eventually(async () => (await broker.depth(config.queues.mail)).ready === 1, { what: "the next is published" });
  const later = await ask(back, "SELECT due_at > now() + interval '20 seconds' AS later FROM mails WHERE id = $1", [
    second,
  ]);
  assert.equal(later, [{ later: true }], "the sweep has no reason to publish it again");
  await back.close();
  await away.close();
});

test.run();
