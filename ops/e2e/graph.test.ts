/** Mail of the organisation, which leaves by Microsoft Graph, and what becomes of it for each of Graph's answers. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ownFolder } from "../harness/process.ts";
import { eventually, freshDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { startGraph, type GraphStandIn, type Sent } from "./stand-ins/graph.ts";
import { startLogin, type Application, type LoginStandIn } from "./stand-ins/login.ts";
import { startSystem, stopAll, type MailState, type System } from "./system.ts";

const story = suite("Graph");
let login: LoginStandIn;
let graph: GraphStandIn;
let system: System;
let second: System;

story.before(async () => {
  login = await startLogin();
  graph = await startGraph(login);
  const servers = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    KEYDB_URL: await freshRedis(),
    ATTACHMENT_PATH: ownFolder("attachments"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    JWT_SECRET: randomUUID(),
  };
  const env = { ...servers, ...login.env, ...graph.env, ORG_EMAIL_DOMAIN: "corp.example", MAX_RETRY_COUNT: "2" };
  system = await startSystem({ env });
  second = await startSystem({ env, token: system.token });
});
story.before.each(() => {
  login.reset();
  graph.reset();
});
story.after(async () => {
  await stopAll();
  await Promise.all([graph.close(), login.close()]);
});

interface Sender extends Application {
  from: string;
  /** Of the sender config. */
  id: string;
}

/** A sender of the organisation with an application of its own. */
async function aSender(): Promise<Sender> {
  const application = login.register();
  const from = `${randomUUID()}@corp.example`;
  const { status, body, text } = await system.call("/api/v1/auth/sender-config", {
    method: "POST",
    body: {
      sender_email: from,
      ms_tenant_id: application.tenantId,
      ms_client_id: application.clientId,
      ms_client_secret: application.clientSecret,
    },
  });
  assert.is(status, 201, text);
  const { id } = body["data"] as { id: string };
  return { ...application, from, id };
}

const types = (state: MailState) => state.events.map(({ type }) => type);

async function sent(id: string, within?: number): Promise<Sent> {
  const state = await system.settled(id, within);
  assert.is(state.status, "sent", state.error_message);
  const [copy, ...more] = graph.copies(id);
  assert.is(more.length, 0, "it was sent more than once");
  if (!copy) throw new Error(`Graph has not sent ${id}`);
  return copy;
}

story("a mail with everything in it arrives as it was sent, from its sender's mailbox", async () => {
  const sender = await aSender();
  const file = Buffer.from("發票\n");
  const id = await system.accept({
    from: `王小明 <${sender.from}>`,
    to: ["Zoë Müller <zoe@example.org>", "plain@example.org"],
    cc: ["copy@example.org"],
    bcc: ["blind@example.org"],
    subject: "您的訂單 ✓",
    body: "Text — 文字",
    html: "<p>HTML — 文字</p>",
    attachments: [{ filename: "發票.txt", content: file.toString("base64"), content_type: "text/plain" }],
  });
  const copy = await sent(id);
  assert.equal([copy.mailbox, copy.clientId], [sender.from, sender.clientId]);
  assert.equal(copy.from, { address: sender.from, name: "王小明" });
  assert.equal(copy.to, [{ address: "zoe@example.org", name: "Zoë Müller" }, { address: "plain@example.org" }]);
  assert.equal(copy.cc, [{ address: "copy@example.org" }]);
  assert.equal(copy.bcc, [{ address: "blind@example.org" }]);
  assert.equal([copy.subject, copy.text?.trim(), copy.html], ["您的訂單 ✓", "Text — 文字", "<p>HTML — 文字</p>"]);
  const [attached] = copy.attachments;
  assert.equal([attached?.name, attached?.contentType], ["發票.txt", "text/plain"]);
  assert.is(attached?.sha256, createHash("sha256").update(file).digest("hex"));
  const { events } = await system.status(id);
  assert.equal([events[0]?.type, events[0]?.provider, events[0]?.code], ["sent", "graph", "http_202"]);
});

for (const megabytes of [2, 25]) {
  story(`a file of ${megabytes} MB arrives byte for byte`, async () => {
    const { from } = await aSender();
    const file = randomBytes(megabytes * 2 ** 20);
    const attachments = [{ filename: "plan.pdf", content: file.toString("base64") }];
    const copy = await sent(await system.accept({ from, attachments }), 30_000);
    assert.is(copy.attachments[0]?.sha256, createHash("sha256").update(file).digest("hex"));
    assert.is(copy.by, megabytes < 3 ? "sendMail" : "draft");
    assert.is(graph.drafts, 0);
  });
}

story("one login serves many mails", async () => {
  const { from } = await aSender();
  const ids = await Promise.all(Array.from({ length: 12 }, () => system.accept({ from })));
  for (const id of ids) await sent(id, 30_000);
  assert.ok(login.logins <= 2, `${login.logins} logins by two workers`);
  assert.equal(graph.tooMany, { atOnce: 0, inAMinute: 0 });
});

story("tokens that are revoked are replaced, and each mail is sent once", async () => {
  const { from } = await aSender();
  await sent(await system.accept({ from }));
  login.revokeTokens();
  const ids = await Promise.all(Array.from({ length: 5 }, () => system.accept({ from })));
  for (const id of ids) {
    await sent(id);
    assert.equal(types(await system.status(id)), ["sent"]);
  }
});

story("a rotated secret takes effect at once, and the login's refusal before is told without it", async () => {
  const sender = await aSender();
  login.rotate(sender.clientId);
  const refused = await system.settled(await system.accept({ from: sender.from }));
  assert.is(refused.status, "failed");
  assert.is(refused.events[0]?.code, "login_invalid_client");
  assert.match(refused.error_message, sender.clientId);
  assert.match(refused.error_message, sender.tenantId);

  const ms_client_secret = login.rotate(sender.clientId);
  const { status, text } = await system.call(`/api/v1/auth/sender-config/${sender.id}`, {
    method: "PUT",
    body: { ms_client_secret },
  });
  assert.is(status, 200, text);
  await eventually(async () => (await system.settled(await system.accept({ from: sender.from }))).status === "sent", {
    what: "mail by the new secret",
  });
});

story("a sender without a config is refused at the request, and by no other way", async () => {
  const answer = await system.send({ from: "nobody@corp.example" });
  assert.equal([answer.status, answer.body["error"]], [400, "sender_not_configured"]);
  assert.is(graph.ledger.length, 0);
});

story("asked to slow down, it waits as long as it was told and uses up no retry", async () => {
  const { from } = await aSender();
  const slow = { kind: "status", status: 429, headers: { "retry-after": "2" }, code: "TooManyRequests" } as const;
  graph.next("sendMail", slow, slow, { ...slow, status: 503 });
  const id = await system.accept({ from });
  await sent(id, 20_000);
  const state = await system.status(id);
  assert.equal(types(state), ["throttled", "throttled", "throttled", "sent"]);
  assert.is(state.retry_count, 0);
  const gaps = graph.ledger.slice(1).map(({ at }, index) => at - (graph.ledger[index]?.at ?? 0));
  assert.ok(
    gaps.every((gap) => gap >= 1950 && gap < 6000),
    `${gaps.join(", ")} ms`,
  );
});

story("a fault of Graph's own is tried again by the ladder, also in the middle of a large mail", async () => {
  const { from } = await aSender();
  const attachments = [{ filename: "plan.pdf", content: randomBytes(4_000_000).toString("base64") }];
  graph.next("sendMail", { kind: "status", status: 503 });
  graph.next("session", { kind: "status", status: 504 });
  graph.next("send", { kind: "status", status: 503 });
  const [small, large] = await Promise.all([system.accept({ from }), system.accept({ from, attachments })]);
  await sent(small, 20_000);
  assert.equal(types(await system.status(small)), ["retry", "sent"]);
  await sent(large, 20_000);
  assert.equal(types(await system.status(large)), ["retry", "retry", "sent"]);
  assert.is(graph.drafts, 0);
});

story("what Graph refuses fails at once, with Graph's code and nobody's address", async () => {
  const { from } = await aSender();
  const message = "Access is denied. Check credentials of ann@example.org and try again.";
  graph.next("sendMail", { kind: "status", status: 403, code: "ErrorAccessDenied", message });
  const state = await system.settled(await system.accept({ from, to: ["ann@example.org"] }));
  assert.equal([state.status, types(state)], ["failed", ["failed"]]);
  assert.match(state.error_message, "http_403");
  assert.match(state.error_message, "ErrorAccessDenied: Access is denied.");
  assert.not.match(state.error_message, "ann@example.org");
});

story(
  "a connection cut after the mail was handed over leaves it unknown, and by the policy it is sent again",
  async () => {
    const { from } = await aSender();
    graph.next("sendMail", { kind: "reset", when: "accepted" });
    const id = await system.accept({ from });
    assert.is((await system.settled(id)).status, "sent");
    assert.equal(types(await system.status(id)), ["outcome_unknown", "sent"]);
    assert.is(graph.copies(id).length, 2);
  },
);

story("two workers keep the limits of a mailbox together, and no mail uses up a retry by that", async () => {
  const { from } = await aSender();
  graph.always("sendMail", { kind: "delay", ms: 50 });
  const other = await aSender();
  const ids = await Promise.all(
    Array.from({ length: 33 }, (_, index) => (index % 2 ? system : second).accept({ from })),
  );
  await eventually(() => graph.sent.length === 30, { what: "a minute's mails", within: 30_000 });
  // While they wait, others go.
  await sent(await system.accept({ from: other.from }));
  const states = await Promise.all(ids.map((id) => system.status(id)));
  const waiting = states.filter(({ status }) => status !== "sent");
  assert.is(waiting.length, 3);
  for (const { mail_id: id } of waiting) {
    await sent(id, 90_000);
    const state = await system.status(id);
    assert.is(state.retry_count, 0);
    assert.ok(types(state).length <= 4, `it is asked about seldom: ${types(state).join()}`);
    assert.is(state.events[0]?.code, "mailbox_limit");
  }
  assert.equal(graph.tooMany, { atOnce: 0, inAMinute: 0 });
});

story("no secret and no address is in the log", async () => {
  for (const { stdout, stderr } of [await system.output(), await second.output()]) {
    assert.not.match(stdout + stderr, "Confidential~");
    assert.not.match(stdout + stderr, "@example.org");
  }
});

story.run();
