import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually, freshVhost } from "../../ops/harness/test.ts";
import { problems, type Problem } from "../../runtime/problem.ts";
import { isUnavailable } from "../resources/database.ts";
import { ask, attached, count, empty, files } from "./accept.fixture.ts";
import { acceptBatch, type BatchOutcome, type BatchReply } from "./accept-batch.ts";
import type { MailInput } from "./draft.ts";

const test = suite<{ context: TestContext }>("accepting a batch");

test.before(async (state) => {
  state.context = await openContext();
});
test.before.each(({ context }) => empty(context));
test.after(({ context }) => context.close());

const send = ({ ctx }: TestContext, mails: readonly (MailInput | Problem)[], caller = aCaller()) =>
  acceptBatch(ctx, caller, mails);

function accepted(outcome: BatchOutcome): BatchReply {
  if (outcome.kind === "accepted") return outcome.reply;
  throw new Error(`refused: ${JSON.stringify(outcome)}`);
}
function refused(outcome: BatchOutcome) {
  if (outcome.kind === "refused") return outcome;
  throw new Error(`accepted: ${JSON.stringify(outcome)}`);
}
/** What became of each mail: its status, or the error. */
const said = ({ results }: { results: BatchReply["results"] }) =>
  results.map((result) => ("mail_id" in result ? result.status : result.error));
const ids = ({ results }: BatchReply) => results.flatMap((result) => ("mail_id" in result ? [result.mail_id] : []));

test("a thousand mails are one batch, in one transaction, in order", async ({ context }) => {
  const mails = Array.from({ length: 1000 }, (_, n) => aMail({ subject: `${n}`, to: [`u${n}@example.com`] }));
  const reply = accepted(await send(context, mails));
  assert.ok(reply.success);
  const rows = await ask<{ id: string; subject: string; batch_id: string; status: string; transaction: string }>(
    context,
    "SELECT id, subject, batch_id, status, xmin::text AS transaction FROM mails ORDER BY subject::int",
  );
  assert.equal(
    rows.map(({ id }) => id),
    ids(reply),
  );
  assert.ok(rows.every(({ subject }, n) => subject === String(n)));
  assert.ok(rows.every(({ batch_id, status }) => batch_id === reply.batch_id && status === "queued"));
  assert.is(new Set(rows.map(({ transaction }) => transaction)).size, 1);
});

test("a mail of a batch is kept like one by itself", async ({ context }) => {
  const mail = aMail({
    from: "Sales <sales@acme.example>",
    cc: ["cc@example.com"],
    html: "<b>42</b>",
    metadata: { n: 1 },
    attachments: [attached("a.txt", "hi")],
  });
  const reply = accepted(await send(context, [mail]));
  const rows = await ask(
    context,
    `SELECT from_address, cc_addresses, names, subject, body, html, metadata, source, client_id, client_name, status,
       attempt, attachment_bytes::int, send_at, (SELECT filename FROM attachments WHERE mail_id = mails.id) AS filename
     FROM mails WHERE id = $1`,
    ids(reply),
  );
  assert.equal(rows, [
    {
      from_address: "sales@acme.example",
      cc_addresses: ["cc@example.com"],
      names: { "sales@acme.example": "Sales" },
      subject: `${confidential}: the offer`,
      body: `${confidential}: 42 each`,
      html: "<b>42</b>",
      metadata: { n: 1 },
      source: "api",
      client_id: "client_sales",
      client_name: "The client_sales",
      status: "queued",
      attempt: 0,
      attachment_bytes: 2,
      send_at: null,
      filename: "a.txt",
    },
  ]);
});

test("one bad mail rejects none of the others, and each is told what is wrong with it", async ({ context }) => {
  const reply = accepted(
    await send(context, [
      aMail(),
      problems.invalidRequest({ message: "to is required", details: [{ field: "to", message: "is required" }] }),
      aMail({ to: ["ann@example.com", "nobody"] }),
      aMail({ body: "" }),
      aMail({ attachments: [attached("big.bin", Buffer.alloc(26 * 2 ** 20))] }),
      aMail({ send_at: "2001-01-01T00:00:00Z" }),
      aMail({ to: Array.from({ length: 10_000 }, (_, n) => `u${n}@example.com`) }),
      aMail({ attachments: [attached("a.txt", "hi")] }),
    ]),
  );
  assert.not(reply.success);
  assert.equal(said(reply), [
    "queued",
    "invalid_request",
    "invalid_request",
    "empty_body",
    "attachment_too_large",
    "invalid_request",
    "invalid_request",
    "queued",
  ]);
  const fields = reply.results.map((result) => ("details" in result ? result.details?.map(({ field }) => field) : []));
  assert.equal(fields, [[], ["to"], ["to[1]"], ["body"], [], ["send_at"], ["to"], []]);
  assert.match(JSON.stringify(reply.results[4]), "big.bin exceeds maximum size of 25MB");
  assert.is(await count(context, "mails"), 2);
  assert.is((await files(context)).ofMails.length, 1, "only the good mail's file is there");
});

test("ten thousand recipients in ten mails are ten mails", async ({ context }) => {
  const to = (mail: number) => Array.from({ length: 1000 }, (_, n) => `u${n}@m${mail}.example.com`);
  const reply = accepted(
    await send(
      context,
      Array.from({ length: 10 }, (_, n) => aMail({ to: to(n) })),
    ),
  );
  assert.ok(reply.success);
  const [sum] = await ask(context, "SELECT sum(cardinality(to_addresses))::int AS recipients FROM mails");
  assert.equal(sum, { recipients: 10_000 });
});

test("with every mail bad nothing is kept, and each result says why", async ({ context }) => {
  const attachments = [attached("a.txt", "hi")];
  const { problem, results } = refused(
    await send(context, [aMail({ to: ["nobody"], attachments }), aMail({ body: "", attachments })]),
  );
  assert.equal([problem.status, problem.code], [400, "invalid_request"]);
  assert.equal(said({ results }), ["invalid_request", "empty_body"]);
  await context.settled();
  assert.is(await count(context, "mails"), 0);
  assert.equal(await files(context), { ofMails: [], beside: [] });
});

test("mails with and without attachments each keep their own, also when the content is the same", async ({
  context,
}) => {
  const same = attached("same.txt", "the same");
  const reply = accepted(
    await send(context, [
      aMail({ attachments: [same] }),
      aMail(),
      aMail({ attachments: [attached("own.txt", "own"), same] }),
      ...Array.from({ length: 30 }, () => aMail({ attachments: [same] })),
    ]),
  );
  const rows = await ask<{ mail_id: string; filename: string; storage_path: string }>(
    context,
    "SELECT mail_id, filename, storage_path FROM attachments ORDER BY position",
  );
  const [one, none, two] = ids(reply);
  const namesOf = (id: string | undefined) => rows.filter((row) => row.mail_id === id).map(({ filename }) => filename);
  assert.equal([namesOf(one), namesOf(none), namesOf(two)], [["same.txt"], [], ["own.txt", "same.txt"]]);
  assert.is(rows.length, 33);
  for (const { filename, storage_path } of rows) {
    const content = String(await context.ctx.attachments.read(storage_path));
    assert.is(content, filename === "own.txt" ? "own" : "the same");
  }
});

test("what a limit refuses is that mail's result; when that is all there is, the request is told to wait", async () => {
  const limited = await openContext({ env: { RATE_LIMIT_RECIPIENT_PER_HOUR: "2" } });
  const to = (name: string) => aMail({ to: [`${name}@example.com`] });
  const reply = accepted(await send(limited, [to("ann"), to("ANN"), to("ann"), to("bob")]));
  assert.equal(said(reply), ["queued", "queued", "rate_limited", "queued"]);
  const { problem, results } = refused(await send(limited, [to("ann"), to("ann")]));
  assert.equal([problem.status, problem.code], [429, "rate_limited"]);
  assert.ok(Number(problem.headers?.["retry-after"]) > 0);
  assert.equal(said({ results }), ["rate_limited", "rate_limited"]);
  const mixed = refused(await send(limited, [to("ann"), to("nobody at")]));
  assert.is(mixed.problem.status, 400);
  assert.is(await count(limited, "mails"), 3);
  await limited.close();
});

test("a client whose hour is used up in the middle of a batch has the first mails queued", async () => {
  const limited = await openContext({ env: { RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "3" } });
  const reply = accepted(await send(limited, [aMail(), aMail({ body: "" }), aMail(), aMail(), aMail()]));
  assert.equal(said(reply), ["queued", "empty_body", "queued", "queued", "rate_limited"]);
  await limited.close();
});

test("with PostgreSQL away nothing is accepted, and no limit is used up", async () => {
  const server = await startPostgres({ durable: false });
  const context = await openContext({ env: { DATABASE_URL: server.url, RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "3" } });
  const three = [aMail(), aMail(), aMail()];
  await server.stop();
  assert.ok(isUnavailable(await send(context, three).catch((error: unknown) => error)));
  await server.start();
  await eventually(() => context.ctx.db.isUp(), { what: "PostgreSQL is back", within: 10_000 });
  assert.is(await count(context, "mails"), 0);
  assert.equal(said(accepted(await send(context, three))), ["queued", "queued", "queued"]);
  await context.close();
  await server.close();
});

test("PostgreSQL killed under batches: each is there whole or not at all, and what was accepted is there", async () => {
  const server = await startPostgres();
  const context = await openContext({ env: { DATABASE_URL: server.url } });
  const mails = Array.from({ length: 50 }, () => aMail());
  const replies = new Map<string, string>();
  const sendUnder = async (key: string) => {
    const idempotency = { key, bodyHash: "a".repeat(64) };
    return accepted(await acceptBatch(context.ctx, aCaller(), mails, { idempotency }));
  };
  let batches = 0;
  const clients = Array.from({ length: 4 }, async () => {
    for (;;) {
      const key = `key ${++batches}`;
      const ended = await sendUnder(key).catch((error: unknown) => error);
      if (isUnavailable(ended)) return;
      if (ended instanceof Error) throw ended;
      replies.set(key, JSON.stringify(ended));
    }
  });
  await eventually(() => replies.size >= 8, { what: "batches are accepted" });
  await server.kill();
  await Promise.all(clients);
  await server.start();
  await eventually(() => context.ctx.db.isUp(), { what: "PostgreSQL is back", within: 10_000 });

  const sizes = await ask<{ id: string; mails: number }>(
    context,
    "SELECT batch_id AS id, count(*)::int AS mails FROM mails GROUP BY batch_id",
  );
  assert.equal([...new Set(sizes.map((batch) => batch.mails))], [50]);
  assert.ok(sizes.length >= replies.size);
  // Those who got no answer repeat their request; whoever had one gets it again.
  for (let batch = 1; batch <= batches; batch++) {
    const key = `key ${batch}`;
    const again = JSON.stringify(await sendUnder(key));
    assert.is(again, replies.get(key) ?? again);
  }
  assert.is(await count(context, "mails"), batches * 50);
  await context.close();
  await server.close();
});

test("a statement that fails leaves no file, no key and no mail of the batch", async ({ context }) => {
  // Longer than its column: no request gets this far with it, and that must not matter.
  const poison = aCaller("x".repeat(101));
  const mails = [aMail({ attachments: [attached("a.txt", "hi")] }), aMail()];
  const [failed, good] = await Promise.allSettled([
    acceptBatch(context.ctx, poison, mails, { idempotency: { key: "k", bodyHash: "a".repeat(64) } }),
    send(context, mails),
  ]);
  assert.equal([failed?.status, good?.status], ["rejected", "fulfilled"]);
  await context.settled();
  assert.equal([await count(context, "mails"), await count(context, "idempotency_keys")], [2, 0]);
  assert.is((await files(context)).ofMails.length, 1);
});

test("a sender that nothing takes is told mail by mail", async () => {
  const production = await openContext({
    env: { APP_ENV: "production", SENDGRID_API_KEY: "SG.x", ORG_EMAIL_DOMAIN: "corp.example" },
  });
  const reply = accepted(await send(production, [aMail(), aMail({ from: "a@corp.example" })]));
  assert.equal(said(reply), ["queued", "sender_not_configured"]);
  assert.is(refused(await send(production, [aMail({ from: "a@corp.example" })])).problem.status, 400);
  await production.close();
});

test("every mail of a batch is published once, with what it weighs, and later ones are not yet", async () => {
  const context = await openContext({ env: { RABBITMQ_URL: await freshVhost() } });
  const { broker, config } = context.ctx;
  const got: { message: unknown; attempt: number }[] = [];
  await broker.consume(config.queues.mail, { concurrency: 100 }, async ({ message, attempt }) => {
    got.push({ message, attempt });
    return { kind: "done" };
  });
  const tomorrow = new Date(Date.now() + 24 * 3600 * 1000).toISOString();
  const mails = Array.from({ length: 700 }, () => aMail());
  const reply = accepted(
    await send(context, [aMail({ send_at: tomorrow }), aMail({ attachments: [attached("a.txt", "12345")] }), ...mails]),
  );
  const [, heavy = "", ...light] = ids(reply);
  await eventually(() => got.length >= 701, { what: "all messages" });
  await context.settled();
  assert.ok(got.every(({ attempt }) => attempt === 1));
  const byId = (a: { mail_id: string }, b: { mail_id: string }) => (a.mail_id < b.mail_id ? -1 : 1);
  assert.equal(
    got.map(({ message }) => message as { mail_id: string }).toSorted(byId),
    [{ mail_id: heavy, bytes: 5 }, ...light.map((mail_id) => ({ mail_id }))].toSorted(byId),
  );
  await context.close();
});

test.run();
