import { createHash, randomBytes, randomUUID } from "node:crypto";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually } from "../../ops/harness/eventually.ts";
import { freePort } from "../../ops/harness/server.ts";
import type { Fault } from "../../ops/e2e/stand-ins/faults.ts";
import { startGraph, type GraphStandIn, type Step } from "../../ops/e2e/stand-ins/graph.ts";
import { startLogin, type LoginStandIn } from "../../ops/e2e/stand-ins/login.ts";
import { draftMail } from "../mail/draft.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import { stagedBytes } from "../resources/staged-content.ts";
import type { GraphAccount } from "./account.ts";
import { chooseSender } from "./choose.ts";
import { classify, type ProviderAnswer } from "./classify.ts";
import { graph } from "./graph.ts";

interface State {
  login: LoginStandIn;
  provider: GraphStandIn;
  context: TestContext;
  account: GraphAccount;
}

const test = suite<State>("Graph");

test.before(async (state) => {
  state.login = await startLogin();
  setDefaultCACertificates([...getCACertificates(), state.login.cert]);
  state.provider = await startGraph(state.login);
  state.context = await openContext({ env: { ...state.login.env, ...state.provider.env } });
});
test.before.each((state) => {
  state.login.reset();
  state.provider.reset();
  // Each test has a mailbox of its own, and so its limits.
  state.account = { mailbox: `${randomUUID()}@corp.example`, ...state.login.register() };
});
test.after(async ({ login, provider, context }) => {
  await context.close();
  await provider.close();
  await login.close();
});

const mailOf = ({ mailbox }: GraphAccount, given: Partial<OutgoingMail> = {}): OutgoingMail => ({
  id: randomUUID(),
  attempt: 1,
  source: "api",
  clientId: "client_sales",
  from: mailbox,
  to: ["ann@example.com"],
  cc: [],
  bcc: [],
  names: {},
  subject: `${confidential}: the offer`,
  text: "42 each",
  html: undefined,
  createdAt: new Date("2026-01-20T10:00:00Z"),
  attachments: [],
  ...given,
});

/** Stores files of these sizes, and returns them as a mail has them. */
async function filesOf({ ctx }: TestContext, ...sizes: number[]) {
  const folder = `2026/01/20/${randomUUID()}`;
  const files = sizes.map((size, index) => ({ name: `報價 ${index} ${confidential}.pdf`, content: randomBytes(size) }));
  await ctx.attachments.keep(
    folder,
    files.map(({ name, content }) => ({ name, content: stagedBytes(content) })),
  );
  const attachments = files.map(({ name, content }) => ({
    filename: name,
    contentType: "application/pdf",
    sizeBytes: content.length,
    path: `${folder}/${name}`,
  }));
  const arriving = files.map(({ name, content }) => ({
    name,
    contentType: "application/pdf",
    size: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  }));
  return { attachments, arriving };
}

const verdictOf = (answer: ProviderAnswer) => classify(answer, Date.now());
const accepted = { kind: "response", status: 202, retryAfter: undefined, detail: "" };

test("a mail leaves from its sender's mailbox, with names, copies, blind copies and its id", async (state) => {
  const { provider, context, account } = state;
  const mail = mailOf(account, {
    to: ["ann@example.com", "bob@example.com"],
    cc: ["cc@example.com"],
    bcc: ["blind@example.com"],
    names: { [account.mailbox]: "業務部, Sales", "ann@example.com": "王小明" },
    subject: "您的訂單 ✓",
  });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  const [sent] = provider.copies(mail.id);
  assert.equal(provider.steps(), ["sendMail"]);
  assert.is(sent?.mailbox, account.mailbox);
  assert.is(sent?.clientId, account.clientId);
  assert.equal(sent?.from, { address: account.mailbox, name: "業務部, Sales" });
  assert.equal(sent?.to, [{ address: "ann@example.com", name: "王小明" }, { address: "bob@example.com" }]);
  assert.equal(sent?.cc, [{ address: "cc@example.com" }]);
  assert.equal(sent?.bcc, [{ address: "blind@example.com" }]);
  assert.equal([sent?.subject, sent?.text, sent?.html, sent?.saved], ["您的訂單 ✓", "42 each", undefined, true]);
});

test("html alone is the body", async ({ provider, context, account }) => {
  const mail = mailOf(account, { text: undefined, html: "<p>42 「元」</p>" });
  await graph(account).send(mail, context.ctx);
  const [sent] = provider.copies(mail.id);
  assert.equal([sent?.text, sent?.html], [undefined, "<p>42 「元」</p>"]);
});

test("text and html are both handed over, with all that the mail has", async ({ provider, context, account }) => {
  const { attachments, arriving } = await filesOf(context, 1000, 70_000);
  const long = Array.from({ length: 30 }, (_, index) => `收件者${index}`).join("、");
  const mail = mailOf(account, {
    bcc: ["blind@example.com"],
    names: { [account.mailbox]: "Müller, Zoë", "ann@example.com": long, "blind@example.com": 'The "blind" one' },
    subject: `您的訂單 ${long} ✓`,
    text: "純文字\n.\n=20 end",
    html: "<p>網頁 &amp; more</p>",
    attachments,
  });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  const [sent] = provider.copies(mail.id);
  assert.is(sent?.form, "mime");
  assert.equal([sent?.text?.trim().replaceAll("\r\n", "\n"), sent?.html?.trim()], [mail.text, mail.html]);
  assert.equal(sent?.from, { address: account.mailbox, name: "Müller, Zoë" });
  assert.equal(sent?.to, [{ address: "ann@example.com", name: long }]);
  assert.equal(sent?.bcc, [{ address: "blind@example.com", name: 'The "blind" one' }]);
  assert.is(sent?.subject, mail.subject);
  assert.equal(sent?.attachments, arriving);
});

test("not to be kept in Sent Items, it goes in the form that can say so", async ({ provider, login, account }) => {
  const env = { ...login.env, ...provider.env, GRAPH_SAVE_TO_SENT_ITEMS: "false" };
  const context = await openContext({ env });
  const mail = mailOf(account, { html: "<p>42</p>" });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  const [sent] = provider.copies(mail.id);
  assert.equal([sent?.saved, sent?.html], [false, "<p>42</p>"]);
  await context.close();
});

test("2 MB of files go in one request, in either form", async ({ provider, context, account }) => {
  const { attachments, arriving } = await filesOf(context, 2 ** 20, 2 ** 20);
  for (const html of [undefined, "<p>42</p>"]) {
    const mail = mailOf(account, { attachments, html });
    assert.equal(await graph(account).send(mail, context.ctx), accepted);
    assert.equal(provider.copies(mail.id)[0]?.attachments, arriving);
  }
  assert.equal(provider.steps(), ["sendMail", "sendMail"]);
  assert.ok(provider.ledger.every(({ bytes }) => bytes < 4_000_000));
});

test("25 MB arrive byte for byte, in pieces that Graph takes", async ({ provider, context, account }) => {
  const { attachments, arriving } = await filesOf(context, 25 * 2 ** 20);
  const mail = mailOf(account, { attachments, html: "<p>42</p>", bcc: ["blind@example.com"] });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  const [sent] = provider.copies(mail.id);
  assert.equal(sent?.attachments, arriving);
  assert.equal([sent?.text?.trim(), sent?.html?.trim()], ["42 each", "<p>42</p>"]);
  assert.equal(sent?.bcc, [{ address: "blind@example.com" }]);
  assert.equal(provider.steps(), ["draft", "session", ...Array.from({ length: 7 }, () => "upload"), "send"]);
  assert.ok(provider.ledger.every(({ bytes }) => bytes < 4_000_000));
  assert.is(provider.drafts, 0);
});

test("of a large mail, each file goes the way of its size, in order", async ({ provider, context, account }) => {
  const edge = 3 * 2 ** 20;
  const { attachments, arriving } = await filesOf(context, 10, edge - 2000, edge, 5_000_000, 1);
  const mail = mailOf(account, { attachments });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  assert.equal(provider.copies(mail.id)[0]?.attachments, arriving);
  const uploads = ["session", "upload"];
  assert.equal(provider.steps(), ["draft", "attach", "attach", ...uploads, ...uploads, "upload", "attach", "send"]);
});

test("mail by SMTP leaves as the environment's application, from its own sender's mailbox", async ({
  login,
  provider,
}) => {
  const { tenantId, clientId, clientSecret } = login.register();
  const microsoft = {
    MICROSOFT_TENANT_ID: tenantId,
    MICROSOFT_CLIENT_ID: clientId,
    MICROSOFT_CLIENT_SECRET: clientSecret,
  };
  const env = { ...login.env, ...provider.env, ...microsoft, ORG_EMAIL_DOMAIN: "corp.example" };
  const context = await openContext({ env });
  const mail = mailOf({ mailbox: "printer@corp.example", tenantId, clientId, clientSecret }, { source: "smtp" });
  const sender = await chooseSender(context.ctx, mail);
  assert.equal(await sender.send(mail, context.ctx), accepted);
  const [sent] = provider.copies(mail.id);
  assert.equal([sent?.mailbox, sent?.clientId], ["printer@corp.example", clientId]);
  await context.close();
});

test("a token serves many mails", async ({ provider, login, context, account }) => {
  const mails = Array.from({ length: 4 }, () => mailOf(account));
  await Promise.all(mails.map((mail) => graph(account).send(mail, context.ctx)));
  assert.is(provider.sent.length, 4);
  assert.is(login.logins, 1);
});

test("a token that Graph does not take any more is replaced, and the mail sent once", async (state) => {
  const { provider, login, context, account } = state;
  await graph(account).send(mailOf(account), context.ctx);
  login.revokeTokens();
  const { attachments } = await filesOf(context, 5_000_000);
  const mail = mailOf(account, { attachments });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  assert.is(provider.copies(mail.id).length, 1);
  assert.is(login.logins, 2);
});

test("a token that is refused even when new is no end of trying", async ({ provider, login, context, account }) => {
  provider.always("sendMail", { kind: "status", status: 401, code: "InvalidAuthenticationToken" });
  const verdict = verdictOf(await graph(account).send(mailOf(account), context.ctx));
  assert.equal([verdict.kind, verdict.code], ["permanent", "http_401"]);
  assert.equal([provider.ledger.length, login.logins], [2, 2]);
});

const logins: [fault: Fault, kind: string, code: string][] = [
  [{ kind: "status", status: 500 }, "transient", "login_http_500"],
  [{ kind: "reset", when: "read" }, "transient", "login_UND_ERR_SOCKET"],
  [{ kind: "status", status: 429, headers: { "retry-after": "7" } }, "throttled", "login_http_429"],
  [{ kind: "status", status: 401, code: "invalid_client" }, "permanent", "login_invalid_client"],
  [{ kind: "status", status: 400, code: "unauthorized_client" }, "permanent", "login_unauthorized_client"],
];
for (const [fault, kind, code] of logins) {
  test(`a login that ends with ${code} is ${kind}, and nothing has been sent`, async (state) => {
    const { provider, login, context, account } = state;
    login.next("token", fault);
    const verdict = verdictOf(await graph(account).send(mailOf(account), context.ctx));
    assert.equal([verdict.kind, verdict.code], [kind, code]);
    assert.is(provider.ledger.length, 0);
    if (kind === "permanent") assert.match(verdict.reason, account.clientId);
    if (kind === "throttled") assert.is(verdict.retryAfterMs, 7000);
  });
}

const retry = { "retry-after": "7" };
const answers: [status: number, code: string, headers: Record<string, string>, kind: string, waitMs?: number][] = [
  [429, "TooManyRequests", retry, "throttled", 7000],
  [429, "ApplicationThrottled", {}, "throttled", 10_000],
  [503, "ServiceUnavailable", retry, "throttled", 7000],
  [503, "ServiceUnavailable", {}, "transient"],
  [503, "ErrorServerBusy", {}, "throttled", 10_000],
  [500, "ErrorInternalServerError", {}, "transient"],
  [408, "RequestTimeout", {}, "transient"],
  [504, "GatewayTimeout", {}, "unknown"],
  [400, "ErrorInvalidRecipients", {}, "permanent"],
  [403, "ErrorAccessDenied", {}, "permanent"],
  [404, "MailboxNotEnabledForRESTAPI", {}, "permanent"],
  [413, "ErrorMessageSizeExceeded", {}, "permanent"],
  [200, "", {}, "unknown"],
];
for (const [status, code, headers, kind, waitMs] of answers) {
  test(`an answer ${status} ${code} ${JSON.stringify(headers)} is ${kind}`, async ({ provider, context, account }) => {
    const message = `'${confidential}' of ann@example.com cannot be resolved`;
    provider.next("sendMail", { kind: "status", status, code, headers, message });
    const verdict = verdictOf(await graph(account).send(mailOf(account), context.ctx));
    assert.equal([verdict.kind, verdict.code, verdict.retryAfterMs], [kind, `http_${status}`, waitMs]);
    if (kind === "permanent") assert.match(verdict.reason, `${code}: … of … cannot be resolved`);
    assert.not.match(verdict.reason, confidential);
    assert.not.match(verdict.reason, "@");
    assert.is(provider.sent.length, 0);
  });
}

for (const when of ["read", "accepted"] as const) {
  test(`a connection cut after Graph has ${when} the mail leaves it unknown`, async ({
    provider,
    context,
    account,
  }) => {
    provider.next("sendMail", { kind: "reset", when });
    const mail = mailOf(account);
    assert.is(verdictOf(await graph(account).send(mail, context.ctx)).kind, "unknown");
    assert.is(provider.copies(mail.id).length, when === "accepted" ? 1 : 0);
    assert.is(provider.ledger.length, 1);
  });
}

test("Graph that does not answer in the attempt's time leaves it unknown", async ({ provider, context, account }) => {
  provider.next("sendMail", { kind: "silence" });
  const call = context.newCall();
  const sending = graph(account).send(mailOf(account), call);
  await eventually(() => provider.ledger.length === 1, { what: "the request" });
  call.abort(new Error("the time is up"));
  const verdict = verdictOf(await sending);
  assert.equal([verdict.kind, verdict.code], ["unknown", "ABORT_ERR"]);
});

test("an attempt whose time is over before has sent nothing", async ({ provider, context, account }) => {
  await context.ctx.microsoftTokens.get(account, `${new URL(provider.url).origin}/.default`);
  const call = context.newCall();
  call.abort(new Error("the time is up"));
  const verdict = verdictOf(await graph(account).send(mailOf(account), call));
  assert.is(verdict.kind, "transient");
  assert.is(provider.ledger.length, 0);
});

test("Graph that cannot be reached has not seen the mail", async ({ login, account, provider }) => {
  const port = await freePort();
  const context = await openContext({ env: { ...login.env, GRAPH_BASE_URL: `http://127.0.0.1:${port}/v1.0` } });
  for (const size of [0, 5_000_000]) {
    const { attachments } = await filesOf(context, size);
    const verdict = verdictOf(await graph(account).send(mailOf(account, { attachments }), context.ctx));
    assert.equal([verdict.kind, verdict.code], ["transient", "ECONNREFUSED"]);
  }
  assert.is(provider.ledger.length, 0);
  await context.close();
});

const early: [step: Step, faults: Fault[], kind: string, code: string][] = [
  ["draft", [{ kind: "status", status: 504 }], "transient", "http_504"],
  ["draft", [{ kind: "reset", when: "accepted" }], "transient", "ECONNRESET"],
  ["draft", [{ kind: "status", status: 429, headers: retry }], "throttled", "http_429"],
  ["draft", [{ kind: "status", status: 403, code: "ErrorAccessDenied" }], "permanent", "http_403"],
  ["attach", [{ kind: "reset", when: "read" }], "transient", "ECONNRESET"],
  ["attach", [{ kind: "status", status: 503 }], "transient", "http_503"],
  ["session", [{ kind: "status", status: 504 }], "transient", "http_504"],
  ["upload", [{ kind: "status", status: 404 }], "transient", "upload_http_404"],
  ["upload", [{ kind: "status", status: 429, headers: retry }], "throttled", "http_429"],
  ["upload", [{ kind: "status", status: 400, code: "BadRequest" }], "permanent", "http_400"],
  ["send", [{ kind: "status", status: 503 }], "transient", "http_503"],
  ["send", [{ kind: "status", status: 403, code: "ErrorSendAsDenied" }], "permanent", "http_403"],
  ["send", [{ kind: "status", status: 429, headers: retry }], "throttled", "http_429"],
];
for (const [step, faults, kind, code] of early) {
  const [fault] = faults;
  const what = fault?.kind === "status" ? fault.status : fault?.kind;
  test(`a large mail that ends at ${step} with ${what} is ${kind}, never unknown, and its draft goes`, async (state) => {
    const { provider, context, account } = state;
    provider.next(step, ...faults);
    const { attachments } = await filesOf(context, 100, 5_000_000);
    const mail = mailOf(account, { attachments });
    const verdict = verdictOf(await graph(account).send(mail, context.ctx));
    assert.is(verdict.kind, kind, verdict.reason);
    assert.is(verdict.code, code);
    assert.is(provider.sent.length, 0);
    const orphan = step === "draft" && fault?.kind === "reset";
    assert.is(provider.drafts, orphan ? 1 : 0);
  });
}

test("a draft that may be leaving is not touched", async ({ provider, context, account }) => {
  provider.next("send", { kind: "reset", when: "read" });
  const { attachments } = await filesOf(context, 5_000_000);
  const verdict = verdictOf(await graph(account).send(mailOf(account, { attachments }), context.ctx));
  assert.is(verdict.kind, "unknown");
  assert.is(provider.drafts, 1);
  assert.is(provider.steps().at(-1), "send");
});

const stumbles: [what: string, fault: Fault][] = [
  ["was cut before Graph had it", { kind: "reset", when: "read" }],
  ["was cut after Graph had it", { kind: "reset", when: "accepted" }],
  ["met a fault of Graph's", { kind: "status", status: 500 }],
  ["came too soon", { kind: "status", status: 429, headers: { "retry-after": "1" } }],
  ["does not go on where Graph is", { kind: "status", status: 416 }],
];
for (const [what, fault] of stumbles) {
  test(`a piece that ${what} goes on where Graph wants it`, async ({ provider, context, account }) => {
    provider.next("upload", { kind: "delay", ms: 0 }, fault);
    const { attachments, arriving } = await filesOf(context, 10_000_000);
    const mail = mailOf(account, { attachments });
    assert.equal(await graph(account).send(mail, context.ctx), accepted);
    assert.equal(provider.copies(mail.id)[0]?.attachments, arriving);
    assert.ok(provider.steps().includes("uploaded"), "it asks");
  });
}

test("a piece that fails again and again ends the attempt, with its draft", async ({ provider, context, account }) => {
  provider.always("upload", { kind: "status", status: 500 });
  const { attachments } = await filesOf(context, 5_000_000);
  const verdict = verdictOf(await graph(account).send(mailOf(account, { attachments }), context.ctx));
  assert.equal([verdict.kind, verdict.code], ["transient", "http_500"]);
  assert.is(provider.steps().filter((step) => step === "upload").length, 3);
  assert.is(provider.drafts, 0);
});

test("a file that is gone throws before anything is sent, and leaves no draft", async ({
  provider,
  context,
  account,
}) => {
  for (const sizeBytes of [1, 5_000_000]) {
    const gone = { filename: "a", contentType: undefined, sizeBytes, path: "2026/01/20/none/a" };
    const mail = mailOf(account, { attachments: [gone] });
    const failure = await graph(account)
      .send(mail, context.ctx)
      .catch((error: unknown) => error);
    assert.instance(failure, Error);
  }
  assert.equal([provider.sent.length, provider.drafts], [0, 0]);
});

test("what no draft can hold is refused before it is accepted", async ({ provider, context, account }) => {
  const draft = draftMail(
    { from: account.mailbox, to: ["ann@example.com"], subject: "", body: "42" },
    { maxAttachmentBytes: 0, now: new Date() },
  );
  const { refusals } = graph(account);
  assert.equal(refusals?.({ ...draft, text: '"'.repeat(1_400_000) }), []);
  for (const body of [{ text: '"'.repeat(1_500_000) }, { html: "元".repeat(1_000_000) }]) {
    assert.throws(() => refusals?.({ ...draft, ...body }), /larger/);
  }
  // At the edge, with a text beside it that MIME has no room for: html goes alone.
  const mail = mailOf(account, { html: "x".repeat(2_990_000), text: "y".repeat(1_000_000) });
  assert.equal(await graph(account).send(mail, context.ctx), accepted);
  assert.is(provider.copies(mail.id)[0]?.html, mail.html);
});

test("a mailbox that has sent its minute's mails holds the next, whatever its size", async ({
  provider,
  login,
  account,
}) => {
  const env = { ...login.env, ...provider.env, GRAPH_MESSAGES_PER_MINUTE: "2" };
  const context = await openContext({ env });
  const { attachments } = await filesOf(context, 5_000_000);
  for (const files of [attachments, []]) {
    assert.equal(await graph(account).send(mailOf(account, { attachments: files }), context.ctx), accepted);
  }
  const requests = provider.ledger.length;
  for (const files of [attachments, []]) {
    const verdict = verdictOf(await graph(account).send(mailOf(account, { attachments: files }), context.ctx));
    assert.equal([verdict.kind, verdict.code], ["throttled", "mailbox_limit"]);
    assert.ok((verdict.retryAfterMs ?? 0) > 50_000, "it is told when to come again");
  }
  assert.is(provider.ledger.length, requests);
  await context.close();
});

test("a mailbox takes so many at once; whoever waits too long comes again", async ({ provider, login, account }) => {
  const env = { ...login.env, ...provider.env, GRAPH_CONCURRENCY: "1" };
  const context = await openContext({ env });
  provider.next("sendMail", { kind: "delay", ms: 300 });
  const short = await Promise.all([1, 2].map(() => graph(account).send(mailOf(account), context.ctx)));
  assert.equal(short, [accepted, accepted]);
  assert.is(provider.tooMany.atOnce, 0);

  provider.next("sendMail", { kind: "delay", ms: 3500 });
  const long = graph(account).send(mailOf(account), context.ctx);
  await eventually(() => provider.ledger.length === 3, { what: "it is being sent" });
  const verdict = verdictOf(await graph(account).send(mailOf(account), context.ctx));
  assert.equal([verdict.kind, verdict.code], ["throttled", "mailbox_limit"]);
  assert.ok((verdict.retryAfterMs ?? 0) >= 1000 && (verdict.retryAfterMs ?? 0) <= 2000);
  const call = context.newCall();
  const cut = graph(account).send(mailOf(account), call);
  call.abort(new Error("the time is up"));
  assert.equal(verdictOf(await cut).code, "ABORT_ERR");
  assert.equal(await long, accepted);
  await context.close();
});

test.run();
