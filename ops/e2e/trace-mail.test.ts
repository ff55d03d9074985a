/** One trace follows a mail from whoever hands it over to its provider, whatever comes in between; and tells no secret. */
import { randomBytes } from "node:crypto";
import { createTransport } from "nodemailer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { startCollector, type Collector, type TakenSpan } from "./stand-ins/collector.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("traces");
let collector: Collector;
let sendgrid: SendGridStandIn;
let system: System;

/** Stands in all that must not be told; `spy` in every address. */
const secret = "Confidential";
const mail = {
  from: "Spy One <spy.sender@secret-shop.example>",
  to: ["spy.recipient@secret-home.example"],
  subject: `${secret} subject`,
  body: `${secret} body`,
  attachments: [{ filename: `${secret}.txt`, content: Buffer.from(`${secret} content`).toString("base64") }],
  metadata: { order: `${secret} order` },
};

story.before(async () => {
  collector = await startCollector();
  sendgrid = await startSendGrid();
  const servers = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    KEYDB_URL: await freshRedis(),
  };
  system = await startSystem({
    smtp: true,
    env: {
      ...servers,
      SENDGRID_API_KEY: sendgrid.key,
      SENDGRID_BASE_URL: sendgrid.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=abc%20def",
      LOG_LEVEL: "trace",
    },
  });
});
story.before.each(() => sendgrid.reset());
story.after(async () => {
  await stopAll();
  await Promise.all([collector.close(), sendgrid.close()]);
});

/** Waits until a trace has so many spans of a name. */
async function trace(traceId: string, name: string, count = 1): Promise<TakenSpan[]> {
  const found = () => collector.spans(traceId).filter((span) => span.name === name).length >= count;
  await eventually(found, { what: `${count} × ${name} of ${traceId}`, within: 15_000 }).catch((cause: unknown) => {
    throw new Error(JSON.stringify(collector.spans(traceId).map((span) => span.name)), { cause });
  });
  return collector.spans(traceId);
}

const names = (spans: readonly TakenSpan[]) => spans.map(({ name }) => name);

/** Every span hangs on another of its trace, or on the one that was before it. */
function holdsTogether(spans: readonly TakenSpan[], before?: string): void {
  const ids = new Set([before, ...spans.map(({ spanId }) => spanId)]);
  const loose = spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
  assert.equal(names(loose), []);
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
  assert.is(roots.length, before === undefined ? 1 : 0);
}

story("from a request through a retry to the provider, in the trace of the client", async () => {
  const traceId = randomBytes(16).toString("hex");
  const parent = randomBytes(8).toString("hex");
  sendgrid.next({ kind: "status", status: 503, message: `${secret} answer to spy.recipient@secret-home.example` });
  const { body } = await system.send(mail, { headers: { traceparent: `00-${traceId}-${parent}-01` } });
  const id = String(body["mail_id"]);
  await system.settled(id);
  const spans = await trace(traceId, "mail/deliver", 2);
  assert.equal(names(spans), [
    "POST /api/v1/mail/send",
    "commit",
    "publish",
    "mail/deliver",
    "send by sendgrid",
    "mail/deliver",
    "send by sendgrid",
  ]);
  holdsTogether(spans, parent);
  const [request, , publish, first, firstSend, second, secondSend] = spans;
  assert.is(request?.parentSpanId, parent);
  assert.is(request?.attributes["http.response.status_code"], "200");
  assert.is(publish?.attributes["mail_id"], id);
  for (const [span, attempt, outcome, code] of [
    [first, "1", "retry", "http_503"],
    [second, "2", "done", "http_202"],
  ] as const) {
    const { mail_id, client_id, function: name, version, provider, ...rest } = span?.attributes ?? {};
    assert.equal([mail_id, name, provider], [id, "mail/deliver", "sendgrid"]);
    assert.match(client_id ?? "", /^client_/);
    assert.match(version ?? "", /^[\da-f]{12}$/);
    assert.equal([rest["attempt"], rest["outcome"], rest["code"]], [attempt, outcome, code]);
  }
  assert.equal([firstSend?.status?.message, secondSend?.status], ["http_503", undefined]);
  assert.is(firstSend?.parentSpanId, first?.spanId);
});

story("by SMTP, from the message to the provider", async () => {
  const transport = createTransport({ host: "127.0.0.1", port: system.smtp.port, tls: { rejectUnauthorized: false } });
  const { response } = await transport.sendMail({
    from: mail.from,
    to: mail.to,
    subject: mail.subject,
    text: mail.body,
  });
  transport.close();
  const id = /queued as (\S+)/.exec(response)?.[1] ?? "";
  const spans = await traceOf(id);
  assert.equal(names(spans), ["SMTP mail/receive", "commit", "publish", "mail/deliver", "send by sendgrid"]);
  holdsTogether(spans);
  assert.equal([spans[0]?.attributes["client_id"], spans[0]?.attributes["mail_id"]], ["smtp-relay", id]);
});

story("mail that is sent later keeps its trace, though the sweep publishes it", async () => {
  const traceId = randomBytes(16).toString("hex");
  const send_at = new Date(Date.now() + 4000).toISOString();
  const parent = randomBytes(8).toString("hex");
  await system.send({ ...mail, send_at }, { headers: { traceparent: `00-${traceId}-${parent}-01` } });
  const spans = await trace(traceId, "mail/deliver");
  assert.equal(names(spans), ["POST /api/v1/mail/send", "commit", "publish", "mail/deliver", "send by sendgrid"]);
  holdsTogether(spans, parent);
});

story("failed mail that an operator sends again goes on in its trace", async () => {
  const traceId = randomBytes(16).toString("hex");
  sendgrid.next({ kind: "status", status: 400 });
  const { body } = await system.send(mail, { headers: { traceparent: `00-${traceId}-${"1".repeat(16)}-01` } });
  const id = String(body["mail_id"]);
  assert.is((await system.settled(id)).status, "failed");
  assert.is((await system.call(`/api/v1/mail/retry/${id}`, { method: "POST" })).status, 200);
  const spans = await trace(traceId, "mail/deliver", 2);
  assert.equal(
    spans.filter(({ name }) => name === "mail/deliver").map(({ attributes }) => attributes["outcome"]),
    ["dead", "done"],
  );
});

story("a scheduled mail has a trace of its own, which says what set it off", async () => {
  const job = {
    progcode: "TRACE",
    sender: "spy.sender@secret-shop.example",
    recipients: "spy.recipient@secret-home.example",
    subject: mail.subject,
    body: mail.body,
    nextexecutetime: "2030-01-01T00:00:00Z",
  };
  const made = await system.call("/api/schedule/mail", { method: "POST", body: job });
  const { body, text } = await system.call(`/api/execute/mail/${String(made.body["id"])}`, { method: "POST" });
  const id = String(body["mailid"]);
  assert.match(id, /^[\da-f-]{36}$/, text);
  const spans = await traceOf(id);
  assert.equal(names(spans), ["scheduled mail", "publish", "mail/deliver", "send by sendgrid"]);
  holdsTogether(spans);
  const [link] = spans[0]?.links ?? [];
  const request = await trace(link?.traceId ?? "", "POST /api/execute/mail/:id");
  assert.is(request.at(-1)?.spanId, link?.spanId);
});

story("a client that wants no trace gets none", async () => {
  const traceId = randomBytes(16).toString("hex");
  const { body } = await system.send(mail, { headers: { traceparent: `00-${traceId}-${"1".repeat(16)}-00` } });
  await system.settled(String(body["mail_id"]));
  const later = randomBytes(16).toString("hex");
  await system.call("/health", { headers: { traceparent: `00-${later}-${"1".repeat(16)}-01` } });
  await trace(later, "GET /health");
  assert.equal(collector.spans(traceId), []);
});

story("schedules that find nothing to do leave no spans", () => {
  assert.not.match(collector.words.join("\n"), '"mail/sum-totals"');
});

story("with the collector away mail goes on, and what it missed it gets when it is back", async () => {
  collector.fail(503);
  const traceId = randomBytes(16).toString("hex");
  const { body } = await system.send(mail, { headers: { traceparent: `00-${traceId}-${"1".repeat(16)}-01` } });
  assert.is((await system.settled(String(body["mail_id"]))).status, "sent");
  const isTold = async () => (await system.output()).stdout.includes("the collector of traces is away");
  await eventually(isTold, { what: "the log tells that the collector is away" });
  collector.fail(undefined);
  await trace(traceId, "send by sendgrid");
  assert.is(await system.metric("trace_spans_dropped_total"), 0);
});

story("neither spans nor the log tell addresses, subjects, content, keys or tokens", async () => {
  const { stdout } = await system.output();
  const everything = {
    spans: collector.words.filter((word) => !word.includes('"x-collector-key"')).join("\n"),
    log: stdout,
  };
  for (const [where, told] of Object.entries(everything)) {
    assert.ok(told.length > 1000, where);
    for (const planted of [secret, "spy.", "Spy One", sendgrid.key, system.token, "abc def", "abc%20def"]) {
      const at = told.indexOf(planted);
      assert.is(at, -1, `${where} tells ${planted}: ${told.slice(Math.max(0, at - 200), at + 100)}`);
    }
  }
});

story("lines of the log have time, level, msg, and the ids of what they are about", async () => {
  const lines = (await system.output()).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines) {
    assert.type(line["level"], "string");
    assert.ok(!Number.isNaN(Date.parse(String(line["time"]))));
    assert.type(line["msg"], "string");
  }
  const sent = lines.find(({ msg }) => msg === "Mail sent successfully") ?? {};
  for (const name of ["mail_id", "client_id", "function", "version", "trace_id", "provider", "code", "attempt"]) {
    assert.ok(name in sent, `${name} is missing: ${JSON.stringify(sent)}`);
  }
});

/** The trace of a mail whose client has named none. */
async function traceOf(id: string): Promise<TakenSpan[]> {
  assert.is((await system.settled(id)).status, "sent");
  const lines = async () => (await system.output()).stdout.split("\n");
  const sent = async () => (await lines()).find((line) => line.includes(id) && line.includes("Mail sent successfully"));
  const line = await eventually(sent, { what: `the log tells that ${id} is sent` });
  const { trace_id } = JSON.parse(line ?? "") as { trace_id: string };
  return trace(trace_id, "mail/deliver");
}

story.run();
