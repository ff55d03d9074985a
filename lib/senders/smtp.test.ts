import { readdir } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startRelay, type RelayFault, type RelayStandIn } from "../../ops/e2e/stand-ins/smtp-relay.ts";
import { confidential, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually } from "../../ops/harness/eventually.ts";
import { addressesIn, decodeWords, leaves, parseMime } from "../../ops/e2e/stand-ins/mime.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import type { MicrosoftTokens } from "../resources/microsoft-tokens.ts";
import { openSmtpRelays, type Relay, type SmtpRelays } from "../resources/smtp-relays.ts";
import { stagedBytes } from "../resources/staged-content.ts";
import { classify, type Verdict } from "./classify.ts";
import { sendBySmtp } from "./smtp.ts";

interface Opened {
  relay: RelayStandIn;
  context: TestContext;
  relays: SmtpRelays;
  /** Does not bear silence for long. */
  impatient: SmtpRelays;
  settings: Relay;
}
const test = suite<Opened>("SMTP relay");

test.before(async (state) => {
  state.relay = await startRelay({ open: true });
  state.context = await openContext();
  const options = { connections: 4, application: undefined, tokens: noTokens };
  state.relays = openSmtpRelays(options);
  state.impatient = openSmtpRelays({ ...options, silenceMs: 1000 });
  const { host, port } = state.relay;
  state.settings = { host, port, secure: "none", from: undefined, auth: { kind: "none" } };
});
test.before.each(({ relay }) => relay.reset());
test.after(async ({ relay, relays, impatient, context }) => {
  await relays.close();
  await impatient.close();
  await context.close();
  await relay.close();
});

const noTokens: MicrosoftTokens = {
  get: () => Promise.reject(new Error("nobody signs in to Microsoft here")),
  drop() {},
};

const mail = (given: Partial<OutgoingMail> = {}): OutgoingMail => ({
  id: "0c8ba7f6-0000-4000-8000-000000000001",
  attempt: 1,
  source: "schedule",
  clientId: "schedule",
  from: "sales@acme.example",
  to: ["ann@example.com"],
  cc: [],
  bcc: [],
  names: {},
  subject: `${confidential} offer`,
  text: "42 each",
  html: undefined,
  createdAt: new Date("2026-01-20T10:00:00Z"),
  attachments: [],
  ...given,
});

async function send(
  { context, relays, settings }: Pick<Opened, "context" | "relays" | "settings">,
  given: Partial<OutgoingMail> = {},
): Promise<Verdict> {
  const { signal } = context.newCall();
  const { attachments } = context.ctx;
  const answer = await sendBySmtp(settings, mail(given), { attachments, smtpRelays: relays, signal });
  return classify(answer, Date.now());
}

test("a mail arrives with all of it, and who got it blind is in none of its headers", async (state) => {
  const verdict = await send(state, {
    cc: ["cc@example.com"],
    bcc: ["blind@example.com"],
    names: { "sales@acme.example": "王小明, Sales", "ann@example.com": "Zoë Müller" },
    subject: "您的訂單 ✓",
    text: ".\nText — 文字\n.. and a dot\n",
    html: "<p>HTML — 文字</p>",
  });
  assert.equal([verdict.kind, verdict.code], ["accepted", "smtp_250"]);
  const [message] = state.relay.messages;
  assert.is(message?.from, "sales@acme.example");
  assert.equal(message?.to, ["ann@example.com", "cc@example.com", "blind@example.com"]);
  assert.not.match(String(message?.raw), /blind/i);
  const { headers, type, parts } = parseMime(message?.raw ?? Buffer.alloc(0));
  assert.equal(addressesIn(headers.get("from")), [{ address: "sales@acme.example", name: "王小明, Sales" }]);
  assert.equal(addressesIn(headers.get("to")), [{ address: "ann@example.com", name: "Zoë Müller" }]);
  assert.equal(addressesIn(headers.get("cc")), [{ address: "cc@example.com" }]);
  assert.is(decodeWords(headers.get("subject") ?? ""), "您的訂單 ✓");
  assert.is(headers.get("message-id"), "<0c8ba7f6-0000-4000-8000-000000000001@acme.example>");
  assert.is(headers.get("date"), "Tue, 20 Jan 2026 10:00:00 +0000");
  assert.is(type, "multipart/alternative");
  assert.equal(
    parts.map((part) => [part.type, String(part.content).replaceAll("\r\n", "\n").trimEnd()]),
    [
      ["text/plain", ".\nText — 文字\n.. and a dot"],
      ["text/html", "<p>HTML — 文字</p>"],
    ],
  );
});

test("files of 25 MB in all arrive byte for byte under their names", async (state) => {
  const contents = [randomBytes(24 * 2 ** 20), Buffer.from("\r\n.\r\n\n.\n"), randomBytes(2 ** 20 - 1)];
  const files = contents.map((content, index) => ({ name: `f${index}`, content: stagedBytes(content) }));
  await state.context.ctx.attachments.keep("2026/01/20/m", files);
  const attachments = contents.map(({ length }, index) => ({
    filename: `報價 ${index}.pdf`,
    contentType: index === 0 ? "application/pdf" : undefined,
    sizeBytes: length,
    path: `2026/01/20/m/f${index}`,
  }));
  assert.is((await send(state, { attachments })).kind, "accepted");
  const [text, ...arrived] = leaves(parseMime(state.relay.messages[0]?.raw ?? Buffer.alloc(0)));
  assert.is(String(text?.content).trim(), "42 each");
  assert.equal(
    arrived.map(({ filename }) => filename),
    attachments.map(({ filename }) => filename),
  );
  assert.is(arrived[0]?.type, "application/pdf");
  assert.ok(arrived.every(({ content }, index) => contents[index]?.equals(content)));
});

test("html that names a local file or an address is sent as it is: nothing is fetched", async (state) => {
  const html = '<img src="file:///etc/hostname"><img src="http://127.0.0.1:1/x.png">';
  await send(state, { text: undefined, html });
  assert.is(String(leaves(parseMime(state.relay.messages[0]?.raw ?? Buffer.alloc(0)))[0]?.content).trim(), html);
});

test("the relay's own sender stands in the envelope, the mail's in the message", async (state) => {
  await send({ ...state, settings: { ...state.settings, from: "bounces@acme.example" } });
  const [message] = state.relay.messages;
  assert.is(message?.from, "bounces@acme.example");
  assert.match(String(message?.raw), "From: sales@acme.example");
});

test("a file that is gone throws before the relay is asked", async (state) => {
  const gone = { filename: "a", contentType: undefined, sizeBytes: 1, path: "2026/01/20/none/secret.pdf" };
  const before = state.relay.connections;
  const failure = await send(state, { attachments: [gone] }).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.not.match(String(failure), "secret.pdf");
  assert.is(state.relay.connections, before);
});

test("one connection carries many mails, and mails at once get connections of their own", async (state) => {
  const { relay } = state;
  await send(state);
  const before = relay.connections;
  for (let count = 0; count < 10; count++) await send(state);
  assert.is(relay.connections, before);
  await Promise.all(Array.from({ length: 10 }, () => send(state)));
  assert.ok(relay.connections - before <= 3, "not more than it may have");
  assert.is(relay.messages.length, 21);
});

test("a kept connection that the relay has closed meanwhile is no reason to fail", async (state) => {
  for (let count = 0; count < 10; count++) {
    await send(state);
    state.relay.hangUp();
    assert.is((await send(state)).kind, "accepted");
  }
  assert.is(state.relay.messages.length, 20);
});

test("one that the relay ends at that moment is none either: the mail goes on another", async (state) => {
  await Promise.all([send(state), send(state), send(state)]);
  for (const fault of [{ does: "reply", reply: 421 } as const, { does: "cut" } as const]) {
    state.relay.next({ step: "sender", ...fault });
    const verdict = await send(state);
    assert.is(verdict.kind, "accepted", verdict.reason);
  }
  assert.is(state.relay.messages.length, 5);
});

test("of many relays, the connections of those used last are kept", async (state) => {
  const { relay, settings } = state;
  relay.hangUp();
  const as = (user: string) => ({ ...settings, auth: { kind: "password", user, password: "pw" } as const });
  const users = Array.from({ length: 60 }, (_, index) => `user-${index}`);
  for (const user of users) relay.passwords.set(user, "pw");
  const verdicts = await Promise.all(users.map((user) => send({ ...state, settings: as(user) })));
  assert.ok(verdicts.every(({ kind }) => kind === "accepted"));
  await send({ ...state, settings: as("user-59") });
  await eventually(() => relay.open <= 50, { what: "not more than 50 are kept" });
  const before = relay.connections;
  await send({ ...state, settings: as("user-59") });
  assert.is(relay.connections, before);
});

interface Story {
  what: string;
  fault: RelayFault;
  verdict: Verdict["kind"];
  code: string;
  /** Whether the relay has the mail. */
  taken?: boolean;
  big?: boolean;
}
const stories: Story[] = [
  {
    what: "too busy for a connection",
    fault: { step: "connect", does: "reply", reply: 421 },
    verdict: "transient",
    code: "smtp_421",
  },
  {
    what: "closed for us",
    fault: { step: "connect", does: "reply", reply: 554 },
    verdict: "permanent",
    code: "smtp_554",
  },
  {
    what: "a connection cut at once",
    fault: { step: "connect", does: "cut" },
    verdict: "transient",
    code: "ECONNRESET",
  },
  {
    what: "a relay that never greets",
    fault: { step: "connect", does: "silence" },
    verdict: "transient",
    code: "ETIMEDOUT",
  },
  {
    what: "a sender refused for now",
    fault: { step: "sender", does: "reply", reply: 451 },
    verdict: "transient",
    code: "smtp_451",
  },
  {
    what: "a sender refused",
    fault: { step: "sender", does: "reply", reply: 550 },
    verdict: "permanent",
    code: "smtp_550",
  },
  {
    what: "greylisting",
    fault: { step: "recipient", does: "reply", reply: 450 },
    verdict: "transient",
    code: "smtp_450",
  },
  {
    what: "an unknown recipient",
    fault: { step: "recipient", does: "reply", reply: 550 },
    verdict: "permanent",
    code: "smtp_550",
  },
  {
    what: "a connection cut before the message",
    fault: { step: "recipient", does: "cut" },
    verdict: "transient",
    code: "ECONNRESET",
  },
  {
    what: "silence before the message",
    fault: { step: "recipient", does: "silence" },
    verdict: "transient",
    code: "ETIMEDOUT",
  },
  {
    what: "a cut in the middle of a message",
    fault: { step: "content", does: "cut" },
    verdict: "transient",
    code: "ECONNRESET",
    big: true,
  },
  {
    what: "silence in the middle of a message",
    fault: { step: "content", does: "silence" },
    verdict: "transient",
    code: "ETIMEDOUT",
    big: true,
  },
  {
    what: "a fault after the message",
    fault: { step: "message", does: "reply", reply: 451 },
    verdict: "transient",
    code: "smtp_451",
  },
  {
    what: "a message too large",
    fault: { step: "message", does: "reply", reply: 552 },
    verdict: "permanent",
    code: "smtp_552",
  },
  {
    what: "a relay that leaves after the message",
    fault: { step: "message", does: "reply", reply: 421 },
    verdict: "transient",
    code: "smtp_421",
  },
  {
    what: "a cut before the answer",
    fault: { step: "message", does: "cut" },
    verdict: "unknown",
    code: "ECONNRESET",
    taken: true,
  },
  {
    what: "a large message, and a cut before the answer",
    fault: { step: "message", does: "cut" },
    verdict: "unknown",
    code: "ECONNRESET",
    taken: true,
    big: true,
  },
  {
    what: "silence in place of the answer",
    fault: { step: "message", does: "silence" },
    verdict: "unknown",
    code: "ETIMEDOUT",
    taken: true,
  },
];
for (const { what, fault, verdict, code, taken = false, big = false } of stories) {
  test(`${what} (${code}) is ${verdict}, and the next mail goes`, async (state) => {
    const { relay, context } = state;
    relay.hangUp(); // So that a connection is made first.
    await eventually(() => relay.open === 0, { what: "no connection is kept" });
    let given: Partial<OutgoingMail> = {};
    if (big) {
      await context.ctx.attachments.keep("2026/01/20/big", [{ name: "a", content: stagedBytes(randomBytes(2 ** 24)) }]);
      const path = "2026/01/20/big/a";
      given = { attachments: [{ filename: "a", contentType: undefined, sizeBytes: 2 ** 24, path }] };
    }
    relay.always(fault);
    const relays = fault.does === "silence" ? state.impatient : state.relays;
    const said = await send({ ...state, relays }, given);
    assert.equal([said.kind, said.code], [verdict, code], said.reason);
    relay.always(undefined);
    assert.is(relay.messages.length, taken ? 1 : 0, "it was offered once");
    assert.is((await send(state)).kind, "accepted");
    assert.is(relay.messages.length, taken ? 2 : 1);
  });
}

test("a mail that is taken for some is sent, and what was refused is told without addresses", async (state) => {
  const given = { to: ["ann@example.com", "bob@example.com", "cy@example.com"], bcc: ["dee@example.com"] };
  state.relay.next(
    { step: "recipient", does: "reply", reply: 550, to: "bob@example.com", text: "5.1.1 bob@example.com unknown" },
    { step: "recipient", does: "reply", reply: 450, to: "dee@example.com" },
  );
  const verdict = await send(state, given);
  assert.is(verdict.kind, "accepted");
  assert.is(verdict.remark, "Not for all: 2 recipients were refused (smtp_550, smtp_450)");
  assert.equal(state.relay.messages[0]?.to, ["ann@example.com", "cy@example.com"]);
});

test("a mail refused for all, for some of them only now, is tried again", async (state) => {
  state.relay.next(
    { step: "recipient", does: "reply", reply: 450, to: "ann@example.com" },
    { step: "recipient", does: "reply", reply: 550, to: "bob@example.com" },
  );
  assert.is((await send(state, { to: ["ann@example.com", "bob@example.com"] })).code, "smtp_450");
});

test("the relay's words are in the reason, its addresses are not", async (state) => {
  const text = "5.1.1 <ann@example.com>: no such user";
  state.relay.next({ step: "recipient", does: "reply", reply: 550, text });
  const { reason } = await send(state);
  assert.match(reason, "5.1.1 <an***@example.com>: no such user");
});

test("more than the relay announces that it takes is not sent there", async (state) => {
  const small = await startRelay({ open: true, size: 1000 });
  const { ctx } = state.context;
  await ctx.attachments.keep("2026/01/20/s", [{ name: "a", content: stagedBytes(randomBytes(1001)) }]);
  const attachments = [{ filename: "a", contentType: undefined, sizeBytes: 1001, path: "2026/01/20/s/a" }];
  const verdict = await send({ ...state, settings: { ...state.settings, port: small.port } }, { attachments });
  await small.close();
  assert.equal([verdict.kind, verdict.code], ["permanent", "smtp_552"]);
  assert.match(verdict.reason, "1000");
});

test("a relay that is not there has not seen the mail", async (state) => {
  const nowhere = await send({ ...state, settings: { ...state.settings, port: 1 } });
  assert.equal([nowhere.kind, nowhere.code], ["transient", "ECONNREFUSED"]);
  const nameless = await send({ ...state, settings: { ...state.settings, host: "no-such-host.invalid" } });
  assert.is(nameless.kind, "transient", nameless.code);
});

test("a call whose time is up leaves the relay: before the message nothing was sent, after it nobody knows", async (state) => {
  const { relay, context, relays, settings } = state;
  const { attachments } = context.ctx;
  for (const [step, kind] of [
    ["recipient", "transient"],
    ["message", "unknown"],
  ] as const) {
    const call = context.newCall();
    relay.always({ step, does: "silence" });
    const sent = sendBySmtp(settings, mail(), { attachments, smtpRelays: relays, signal: call.signal });
    if (step === "message") await eventually(() => relay.messages.length === 1, { what: "the message is there" });
    call.abort(new Error("time is up"));
    const verdict = classify(await sent, Date.now());
    assert.equal([verdict.kind, verdict.code], [kind, "EABORT"]);
    relay.reset();
  }
});

test("no file stays open behind mails that did not go", async (state) => {
  const open = async () => (await readdir("/proc/self/fd")).length;
  const content = stagedBytes(randomBytes(2 ** 22));
  await state.context.ctx.attachments.keep("2026/01/20/fd", [{ name: "a", content }]);
  const attachments = [{ filename: "a", contentType: undefined, sizeBytes: 2 ** 22, path: "2026/01/20/fd/a" }];
  await send(state, { attachments });
  const before = await open();
  state.relay.always({ step: "content", does: "cut" });
  for (let count = 0; count < 10; count++) await send(state, { attachments });
  await eventually(async () => (await open()) <= before + 1, { what: "all files are closed" });
});

test.run();
