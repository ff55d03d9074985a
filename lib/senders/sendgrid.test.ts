import { suite } from "uvu";
import * as assert from "uvu/assert";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import type { OutgoingMail } from "../mail/mail.ts";
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

test("a small mail has what it needs and no empty lists, which the API refuses", async ({ provider, context }) => {
  assert.equal(await sendgrid.send(mail(), context.ctx), { kind: "response", status: 202 });
  const [request] = provider.requests;
  assert.is(request?.path, "/v3/mail/send");
  assert.is(request?.headers.authorization, `Bearer SG.${confidential}`);
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
  const files = [
    { name: "a.pdf", content: Buffer.from([0, 255, 1, 254]) },
    { name: "big.bin", content: Buffer.alloc(12 * 2 ** 20, 7) },
  ];
  await context.ctx.attachments.write("2026/01/20/m", files);
  await sendgrid.send(
    mail({
      cc: ["cc@example.com"],
      bcc: ["bcc@example.com"],
      names: { "sales@acme.example": "Sales, Acme", "ann@example.com": "王小明" },
      html: "<p>42</p>",
      attachments: [
        { filename: "報價.pdf", contentType: "application/pdf; v=2", sizeBytes: 4, path: "2026/01/20/m/a.pdf" },
        { filename: "big.bin", contentType: undefined, sizeBytes: 1, path: "2026/01/20/m/big.bin" },
      ],
    }),
    context.ctx,
  );
  const body = provider.requests[0]?.body;
  assert.equal(body?.from, { email: "sales@acme.example", name: "Sales, Acme" });
  assert.equal(body?.personalizations[0]?.["to"], [{ email: "ann@example.com", name: "王小明" }]);
  assert.equal(body?.personalizations[0]?.["cc"], [{ email: "cc@example.com" }]);
  assert.equal(body?.personalizations[0]?.["bcc"], [{ email: "bcc@example.com" }]);
  assert.equal(
    body?.content.map(({ type }) => type),
    ["text/plain", "text/html"],
  );
  assert.equal(
    body?.attachments?.map(({ filename, type, disposition }) => [filename, type, disposition]),
    [
      ["報價.pdf", "application/pdf", "attachment"],
      ["big.bin", "application/octet-stream", "attachment"],
    ],
  );
  const contents = body?.attachments?.map(({ content }) => Buffer.from(content, "base64")) ?? [];
  assert.ok(contents.every((content, index) => files[index]?.content.equals(content)));
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
  for (const body of [undefined, "<html>", { errors: [] }, { errors: "no" }, { errors: [{}] }, []]) {
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

test("a file that is gone throws before anything is sent", async ({ provider, context }) => {
  const gone = { filename: "a", contentType: undefined, sizeBytes: 1, path: "2026/01/20/none/a" };
  const failure = await sendgrid.send(mail({ attachments: [gone] }), context.ctx).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.is(provider.requests.length, 0);
});

test.run();
