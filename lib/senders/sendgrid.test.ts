import { createHash, randomBytes } from "node:crypto";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeCertificate } from "../../ops/e2e/stand-ins/certificate.ts";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually } from "../../ops/harness/eventually.ts";
import type { OutgoingMail, StoredAttachment } from "../mail/mail.ts";
import { stagedBytes } from "../resources/staged-content.ts";
import { classify, type ProviderAnswer } from "./classify.ts";
import { sendgrid } from "./sendgrid.ts";
import { startProvider, type Provider } from "./sendgrid.fixture.ts";

const test = suite<{ provider: Provider; context: TestContext }>("SendGrid");

test.before(async (state) => {
  state.provider = await startProvider();
  state.context = await openContext({ env: state.provider.env });
});
test.before.each(({ provider }) => {
  provider.answer({ status: 202 });
  provider.keepBodies(true);
  provider.requests.length = 0;
});
test.after(async ({ provider, context }) => {
  await context.close();
  await provider.close();
});

const mail = (given: Partial<OutgoingMail> = {}): OutgoingMail => ({
  id: "0c8ba7f6-0000-4000-8000-000000000001",
  attempt: 1,
  source: "api",
  clientId: "client_sales",
  from: "sales@acme.example",
  to: ["ann@example.com"],
  cc: [],
  bcc: [],
  names: {},
  subject: `${confidential} {{offer}}`,
  text: "42 each",
  html: undefined,
  createdAt: new Date(),
  attachments: [],
  ...given,
});

/** An attached file of so many zero bytes, which takes no room. */
async function sparse({ ctx }: TestContext, name: string, sizeBytes: number): Promise<StoredAttachment> {
  const path = `2026/01/20/sparse/${name}`;
  const file = ctx.attachments.resolve(path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "");
  await truncate(file, sizeBytes);
  return { filename: name, contentType: undefined, sizeBytes, path };
}

test("a small mail has what it needs and nothing else", async ({ provider, context }) => {
  const answer = await sendgrid.send(mail(), context.ctx);
  assert.equal(answer, { kind: "response", status: 202 });
  const [request] = provider.requests;
  assert.is(request?.path, "/v3/mail/send");
  assert.is(request?.headers.authorization, `Bearer SG.${confidential}`);
  assert.is(request?.headers["content-length"], String(request?.bytes));
  assert.equal(request?.body, {
    from: { email: "sales@acme.example" },
    personalizations: [{ to: [{ email: "ann@example.com" }] }],
    subject: `${confidential} {{offer}}`,
    content: [{ type: "text/plain", value: "42 each" }],
    custom_args: { mail_id: "0c8ba7f6-0000-4000-8000-000000000001" },
  });
});

test("a large mail has all of it: names, copies, text before html, files byte for byte", async ({
  provider,
  context,
}) => {
  const { attachments } = context.ctx;
  // Lengths of each remainder by three, and around the pieces in which files are read.
  const lengths = [4, 1, 2, 3, 49_151, 49_152, 49_153, 98_304, 12 * 2 ** 20 + 1];
  const contents = lengths.map((length) => randomBytes(length));
  const files = contents.map((content, index) => ({ name: `f${index}`, content: stagedBytes(content) }));
  await attachments.keep("2026/01/20/m", files);
  await sendgrid.send(
    mail({
      cc: ["cc@example.com"],
      bcc: ["bcc@example.com"],
      names: { "sales@acme.example": "Sales, Acme", "ann@example.com": "王小明" },
      text: '"quoted" \u2028 {"attachments":[]}',
      html: "<p>42</p>",
      attachments: lengths.map((sizeBytes, index) => ({
        filename: `報價 "${index}".pdf`,
        contentType: index === 0 ? "application/pdf; v=2" : undefined,
        sizeBytes,
        path: `2026/01/20/m/f${index}`,
      })),
    }),
    context.ctx,
  );
  const request = provider.requests[0];
  assert.is(request?.headers["content-length"], String(request?.bytes));
  assert.is(request?.headers["transfer-encoding"], undefined);
  const body = request?.body;
  assert.equal(body?.from, { email: "sales@acme.example", name: "Sales, Acme" });
  assert.equal(body?.personalizations[0]?.["to"], [{ email: "ann@example.com", name: "王小明" }]);
  assert.equal(body?.personalizations[0]?.["cc"], [{ email: "cc@example.com" }]);
  assert.equal(body?.personalizations[0]?.["bcc"], [{ email: "bcc@example.com" }]);
  assert.equal(body?.content, [
    { type: "text/plain", value: '"quoted" \u2028 {"attachments":[]}' },
    { type: "text/html", value: "<p>42</p>" },
  ]);
  assert.equal(
    body?.attachments?.map(({ filename, type, disposition }) => [filename, type, disposition]),
    lengths.map((_, index) => [
      `報價 "${index}".pdf`,
      index === 0 ? "application/pdf" : "application/octet-stream",
      "attachment",
    ]),
  );
  const arrived = body?.attachments?.map(({ content }) => Buffer.from(content, "base64")) ?? [];
  assert.ok(arrived.every((content, index) => contents[index]?.equals(content)));
});

test("a mail for nobody by name goes to each by itself", async ({ provider, context }) => {
  await sendgrid.send(mail({ to: [], bcc: ["b1@x.example", "b2@x.example"] }), context.ctx);
  assert.equal(provider.requests[0]?.body.personalizations, [
    { to: [{ email: "b1@x.example" }] },
    { to: [{ email: "b2@x.example" }] },
  ]);
  await sendgrid.send(mail({ to: [], cc: ["c1@x.example"], bcc: ["b1@x.example"] }), context.ctx);
  assert.equal(provider.requests[1]?.body.personalizations, [
    { to: [{ email: "c1@x.example" }], bcc: [{ email: "b1@x.example" }] },
  ]);
});

test("names that SendGrid would take apart lose what separates", async ({ provider, context }) => {
  const { attachments } = context.ctx;
  await attachments.keep("2026/01/20/n", [{ name: "a", content: stagedBytes(Buffer.from("x")) }]);
  const file = { filename: "May, June; July.pdf", contentType: undefined, sizeBytes: 1, path: "2026/01/20/n/a" };
  const names = { "sales@acme.example": "Sales, Acme", "ann@example.com": "Lee, Ann; PhD" };
  await sendgrid.send(mail({ names, attachments: [file] }), context.ctx);
  const body = provider.requests[0]?.body;
  assert.is(body?.from.name, "Sales, Acme", "the sender's is not taken apart");
  assert.equal(body?.personalizations[0]?.["to"], [{ email: "ann@example.com", name: "Lee Ann PhD" }]);
  assert.is(body?.attachments?.[0]?.filename, "May_ June_ July.pdf");
});

test("in sandbox mode SendGrid is told to deliver nothing, and its 200 is as good as 202", async ({ provider }) => {
  const context = await openContext({ env: { ...provider.env, SENDGRID_SANDBOX: "true" } });
  provider.answer({ status: 200 });
  const verdict = verdictOf(await sendgrid.send(mail(), context.ctx));
  await context.close();
  assert.equal([verdict.kind, verdict.code], ["accepted", "http_200"]);
  assert.equal(provider.requests[0]?.body.mail_settings, { sandbox_mode: { enable: true } });
});

test("a refusal comes with the provider's words", async ({ provider, context }) => {
  const errors = [{ field: "from", message: "not a verified sender" }, { message: "second" }];
  provider.answer({ status: 403, body: { errors } });
  const detail = "from: not a verified sender";
  assert.equal(await sendgrid.send(mail(), context.ctx), {
    kind: "response",
    status: 403,
    retryAfter: undefined,
    detail,
  });
});

test("a refusal in an unknown form is still a refusal", async ({ provider, context }) => {
  for (const body of [
    undefined,
    "<html>",
    { errors: [] },
    { errors: "no" },
    { errors: [{}] },
    [],
    "x".repeat(200_000),
  ]) {
    provider.answer({ status: 500, body });
    const answer = await sendgrid.send(mail(), context.ctx);
    assert.is(answer.kind === "response" && answer.status, 500);
  }
});

test("the wait that the provider asks for is handed on", async ({ provider, context }) => {
  provider.answer({ status: 429, headers: { "retry-after": "17" }, body: { errors: [{ message: "too many" }] } });
  const answer = await sendgrid.send(mail(), context.ctx);
  assert.is(answer.kind === "response" && answer.retryAfter, "17");
});

const verdictOf = (answer: ProviderAnswer) => classify(answer, Date.now());

test("a connection that breaks after the request is unknown: the mail may have arrived", async ({
  provider,
  context,
}) => {
  provider.answer("reset");
  const verdict = verdictOf(await sendgrid.send(mail(), context.ctx));
  assert.equal([verdict.kind, verdict.code], ["unknown", "ECONNRESET"]);
  assert.is(provider.requests.length, 1);
});

test("one that breaks in the middle of the request is not: half a mail is none", async ({ provider, context }) => {
  provider.answer("reset in between");
  const file = await sparse(context, "half.bin", 20 * 2 ** 20);
  const verdict = verdictOf(await sendgrid.send(mail({ attachments: [file] }), context.newCall()));
  assert.is(verdict.kind, "transient", verdict.reason);
  assert.match(verdict.reason, "before the whole request was written");
});

test("an answer that comes before the request was read is the answer", async ({ provider, context }) => {
  provider.answer("refuse unread");
  const file = await sparse(context, "unread.bin", 20 * 2 ** 20);
  const verdict = verdictOf(await sendgrid.send(mail({ attachments: [file] }), context.newCall()));
  assert.equal([verdict.kind, verdict.code], ["permanent", "http_413"]);
});

test("connections are kept and used again", async ({ provider, context }) => {
  const before = provider.connections;
  for (let count = 0; count < 5; count++) await sendgrid.send(mail(), context.newCall());
  assert.ok(provider.connections - before <= 1, `${provider.connections - before} connections for 5 mails`);
});

test("a kept connection that is closed at that moment: a mail not written whole is sent on another", async ({
  provider,
  context,
}) => {
  const file = await sparse(context, "again.bin", 20 * 2 ** 20);
  provider.keepBodies(false);
  await sendgrid.send(mail(), context.newCall());
  provider.answer("reset when used again");
  const answer = await sendgrid.send(mail({ attachments: [file] }), context.newCall());
  assert.equal(answer, { kind: "response", status: 202 });
  assert.is(provider.requests.length, 2);
});

test("one that was written whole is not: it may have arrived", async ({ provider, context }) => {
  await sendgrid.send(mail(), context.newCall());
  provider.answer("reset when used again");
  assert.is(verdictOf(await sendgrid.send(mail(), context.newCall())).kind, "unknown");
  assert.is(provider.requests.length, 1);
});

test("a connection that the server closes after its answer is no reason to doubt", async ({ provider, context }) => {
  provider.answer("accept and close");
  for (let count = 0; count < 50; count++) {
    assert.equal(await sendgrid.send(mail(), context.newCall()), { kind: "response", status: 202 });
  }
  assert.is(provider.requests.length, 50);
});

test("a provider that cannot be reached has not seen the mail", async ({ provider }) => {
  const hosts: [url: string, code: string][] = [
    ["http://127.0.0.1:1", "ECONNREFUSED"],
    ["http://no-such-host.invalid", "ENOTFOUND"],
  ];
  for (const [url, code] of hosts) {
    const away = await openContext({ env: { ...provider.env, SENDGRID_BASE_URL: url } });
    const verdict = verdictOf(await sendgrid.send(mail(), away.ctx));
    assert.is(verdict.kind, "transient", `${url}: ${verdict.code}`);
    if (code === "ECONNREFUSED") assert.is(verdict.code, code);
    await away.close();
  }
});

test("over TLS all this holds as well: kept connections, cuts and unknown certificates", async () => {
  const certificate = await makeCertificate();
  const provider = await startProvider(certificate);
  const context = await openContext({ env: provider.env });
  const kinds = async () => verdictOf(await sendgrid.send(mail(), context.newCall()));
  assert.equal([(await kinds()).kind, (await kinds()).code], ["transient", "DEPTH_ZERO_SELF_SIGNED_CERT"]);
  setDefaultCACertificates([...getCACertificates(), certificate.cert]);
  for (let count = 0; count < 5; count++) assert.is((await kinds()).kind, "accepted");
  assert.is(provider.connections, 3, "one for all five");
  provider.answer("reset");
  assert.equal([(await kinds()).kind, provider.requests.length], ["unknown", 6]);
  provider.answer("reset in between");
  const file = await sparse(context, "tls.bin", 20 * 2 ** 20);
  const cut = await sendgrid.send(mail({ attachments: [file] }), context.newCall());
  assert.is(verdictOf(cut).kind, "transient", verdictOf(cut).reason);
  await context.close();
  await provider.close();
});

test("nor has one that does not speak TLS where TLS is due", async ({ provider }) => {
  const url = String(provider.env["SENDGRID_BASE_URL"]).replace("http:", "https:");
  const context = await openContext({ env: { ...provider.env, SENDGRID_BASE_URL: url } });
  const verdict = verdictOf(await sendgrid.send(mail(), context.ctx));
  await context.close();
  assert.is(verdict.kind, "transient", verdict.code);
});

test("a call whose time is up before there is a connection has sent nothing", async ({ context }) => {
  const call = context.newCall();
  call.abort(new Error("time is up"));
  assert.is(verdictOf(await sendgrid.send(mail(), call)).kind, "transient");
});

test("one whose time is up while SendGrid is silent does not know", async ({ provider, context }) => {
  const call = context.newCall();
  provider.answer("never");
  const sent = sendgrid.send(mail(), call);
  await eventually(() => provider.requests.length === 1, { what: "the request is there" });
  call.abort(new Error("time is up"));
  assert.is(verdictOf(await sent).kind, "unknown");
});

test("a file that is gone throws before anything is sent, and tells no name", async ({ provider, context }) => {
  const gone = { filename: "a", contentType: undefined, sizeBytes: 1, path: "2026/01/20/none/secret.pdf" };
  const failure = await sendgrid.send(mail({ attachments: [gone] }), context.ctx).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.not.match(String(failure), "secret.pdf");
  assert.is(provider.requests.length, 0);
});

test("ten large mails at once take little memory, and arrive byte for byte", async ({ provider, context }) => {
  provider.keepBodies(false);
  const file = await sparse(context, "large.bin", 22 * 2 ** 20);
  const one = mail({ attachments: [file] });
  await sendgrid.send(one, context.newCall());
  const [expected] = provider.requests.splice(0);
  const zeros = Buffer.alloc(22 * 2 ** 20).toString("base64");
  const head = JSON.stringify({
    ...bare,
    attachments: [{ filename: "large.bin", type: "application/octet-stream", disposition: "attachment", content: "" }],
  });
  const whole = createHash("sha256").update(head.slice(0, -4)).update(zeros).update('"}]}').digest("hex");
  assert.is(expected?.sha256, whole);

  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5);
  await Promise.all(Array.from({ length: 10 }, () => sendgrid.send(one, context.newCall())));
  clearInterval(watch);
  assert.is(provider.requests.filter(({ sha256 }) => sha256 === whole).length, 10);
  const grown = (peak - before) / 2 ** 20;
  assert.ok(grown < 100, `${grown.toFixed(0)} MB more`);
});

const bare = {
  from: { email: "sales@acme.example" },
  subject: `${confidential} {{offer}}`,
  personalizations: [{ to: [{ email: "ann@example.com" }] }],
  content: [{ type: "text/plain", value: "42 each" }],
  custom_args: { mail_id: "0c8ba7f6-0000-4000-8000-000000000001" },
};

test.run();
