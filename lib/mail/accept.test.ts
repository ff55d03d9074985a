import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshVhost } from "../../ops/harness/test.ts";
import { Problem } from "../../runtime/problem.ts";
import { Caller } from "../auth/caller.ts";
import { acceptMail, forgetExpiredKeys, type Idempotency } from "./accept.ts";
import type { MailInput } from "./draft.ts";
import { publishStranded } from "./publish.ts";

const test = suite<{ context: TestContext }>("accepting mail");

test.before(async (state) => {
  state.context = await openContext();
});
test.before.each(async ({ context }) => {
  await context.ctx.db.query("TRUNCATE mails, attachments, idempotency_keys");
  await rm(context.ctx.config.attachments.folder, { recursive: true, force: true });
});
test.after(({ context }) => context.close());

/** What the database has, as somebody else sees it: committed. */
async function ask<Row extends object>({ url }: TestContext, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
const count = async (context: TestContext, table: "mails" | "attachments" | "idempotency_keys") =>
  (await ask<{ count: number }>(context, `SELECT count(*)::int AS count FROM ${table}`))[0]?.count;

/** Every file in the attachment folder, by its path there. */
async function files({ ctx }: TestContext): Promise<string[]> {
  const entries = await readdir(ctx.config.attachments.folder, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const refusal = async (work: Promise<unknown>): Promise<Problem> => {
  const error = await work.catch((failure: unknown) => failure);
  if (error instanceof Problem) return error;
  throw new Error(`No problem: ${String(error)}`);
};
const send = ({ ctx }: TestContext, mail: Partial<MailInput> = {}, idempotency?: Idempotency, caller = aCaller()) =>
  acceptMail(ctx, caller, aMail(mail), idempotency);
const keyed = (key: string, body = "a"): Idempotency => ({ key, bodyHash: body.repeat(64) });
const attached = (filename: string, content: string | Buffer) => ({
  filename,
  content: Buffer.from(content).toString("base64"),
});

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

test("50 requests with one key at once make one mail, and 50 equal answers", async ({ context }) => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => send(context, { attachments: [attached("a.txt", "hi")] }, keyed("k"))),
  );
  assert.is(new Set(answers.map(({ id, createdAt }) => `${id} ${createdAt.toISOString()}`)).size, 1);
  assert.is(answers.filter(({ replayed }) => !replayed).length, 1);
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "attachments")], [1, 1]);
  const left = await files(context);
  assert.is(left.length, 1, "the other 49 left nothing on disk");
  assert.match(left[0] ?? "", answers[0]?.id ?? "");
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
  assert.equal((await files(context)).toSorted(), expected.toSorted());
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
  assert.equal(await files(context), []);
  assert.equal([await count(context, "mails"), await count(context, "idempotency_keys")], [0, 0]);
});

test("a replayed mail with attachments leaves nothing more on disk", async ({ context }) => {
  const mail = { attachments: [attached("a.txt", "hi")] };
  await send(context, mail, keyed("k"));
  const before = await files(context);
  await send(context, mail, keyed("k"));
  await context.settled();
  assert.equal(await files(context), before);
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

test.run();
