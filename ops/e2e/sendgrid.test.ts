/** Mail that leaves by SendGrid, and what becomes of it for each of SendGrid's answers. */
import { randomBytes } from "node:crypto";
import { connect } from "amqplib";
import { createServer } from "node:http";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { startSendGrid, type Entry, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll, type MailState, type System } from "./system.ts";

const story = suite("SendGrid");
let sendgrid: SendGridStandIn;
let system: System;
let holding: System;
let rabbit = "";

story.before(async () => {
  sendgrid = await startSendGrid();
  rabbit = await freshVhost();
  const env = { SENDGRID_API_KEY: sendgrid.key, SENDGRID_BASE_URL: sendgrid.url, MAX_RETRY_COUNT: "2" };
  [system, holding] = await Promise.all([
    startSystem({ env: { ...env, DATABASE_URL: await freshDatabase(), RABBITMQ_URL: rabbit } }),
    startSystem({ env: { ...env, DATABASE_URL: await freshDatabase(), UNKNOWN_OUTCOME: "hold" } }),
  ]);
});
story.before.each(() => sendgrid.reset());
story.after(async () => {
  await stopAll();
  await sendgrid.close();
});

const types = (state: MailState) => state.events.map(({ type }) => type);
const statuses = (entries: readonly Entry[]) => entries.map(({ status }) => status);

story("a mail with everything in it arrives as it was sent", async () => {
  const file = Buffer.from("發票\n");
  const id = await system.accept({
    from: "王小明 <shop@example.com>",
    to: ["Zoë Müller <zoe@example.org>", "plain@example.org"],
    cc: ["copy@example.org"],
    bcc: ["blind@example.org", "COPY@example.org"],
    subject: "您的訂單 ✓",
    body: "Text — 文字",
    html: "<p>HTML — 文字</p>",
    attachments: [{ filename: "發票.txt", content: file.toString("base64"), content_type: "text/plain" }],
  });
  const state = await system.settled(id);
  assert.is(state.status, "sent", JSON.stringify(state));
  assert.equal(types(state), ["sent"]);
  assert.is(state.events[0]?.provider, "sendgrid");
  assert.is(state.events[0]?.code, "http_202");

  assert.is(sendgrid.copies(id), 1);
  const body = sendgrid.ledger[0]?.body ?? {};
  assert.equal(body["from"], { email: "shop@example.com", name: "王小明" });
  assert.equal(body["personalizations"], [
    {
      to: [{ email: "zoe@example.org", name: "Zoë Müller" }, { email: "plain@example.org" }],
      cc: [{ email: "copy@example.org" }],
      bcc: [{ email: "blind@example.org" }],
    },
  ]);
  assert.is(body["subject"], "您的訂單 ✓");
  assert.equal(body["content"], [
    { type: "text/plain", value: "Text — 文字" },
    { type: "text/html", value: "<p>HTML — 文字</p>" },
  ]);
  const [attached] = body["attachments"] as { filename: string; content: string; type: string }[];
  assert.is(attached?.filename, "發票.txt");
  assert.is(attached?.type, "text/plain");
  assert.ok(Buffer.from(attached?.content ?? "", "base64").equals(file));
});

story("a type with a parameter is none that SendGrid takes, so it goes without", async () => {
  const content_type = "text/csv; charset=utf-8";
  const state = await system.settled(
    await system.accept({ attachments: [{ filename: "list.csv", content: "YQ==", content_type }] }),
  );
  assert.is(state.status, "sent", state.error_message);
});

story("an empty file, which SendGrid does not take, is refused at the request and not hours later", async () => {
  const answer = await system.send({ attachments: [{ filename: "empty.txt", content: "" }] });
  if (answer.status === 200) await system.settled(String(answer.body["mail_id"]));
  assert.is(answer.status, 400, answer.text);
});

story("a file of 25 MB arrives byte for byte", async () => {
  const file = randomBytes(25 * 2 ** 20);
  const id = await system.accept({ attachments: [{ filename: "large.bin", content: file.toString("base64") }] });
  const state = await system.settled(id);
  assert.is(state.status, "sent", state.error_message);
  const { attachments } = sendgrid.ledger[0]?.body ?? {};
  const [attached] = attachments as { content: string }[];
  assert.ok(Buffer.from(attached?.content ?? "", "base64").equals(file));
});

story("more than SendGrid takes is refused at the request, and nothing is sent", async () => {
  const content = Buffer.alloc(16 * 2 ** 20).toString("base64");
  const attachments = ["one.bin", "two.bin"].map((filename) => ({ filename, content }));
  const answer = await system.send({ attachments });
  assert.is(answer.status, 400, answer.text);
  assert.is(answer.body["error"], "mail_too_large");
  assert.match(answer.text, "attachments");
  assert.is(sendgrid.ledger.length, 0);
});

story("names with commas are names that SendGrid does not take apart", async () => {
  const to = ['"Lee, Ann" <ann@example.org>'];
  const attachments = [{ filename: "May, June.txt", content: "YQ==" }];
  const state = await system.settled(await system.accept({ to, attachments }));
  assert.is(state.status, "sent", state.error_message);
  assert.match(JSON.stringify(sendgrid.ledger[0]?.body["personalizations"]), "Lee Ann");
});

story("in SendGrid's sandbox mode a mail counts as sent, and nobody gets it", async () => {
  const env = { SENDGRID_API_KEY: sendgrid.key, SENDGRID_BASE_URL: sendgrid.url, SENDGRID_SANDBOX: "true" };
  const sandboxed = await startSystem({ env });
  const id = await sandboxed.accept();
  const state = await sandboxed.settled(id);
  await sandboxed.stop();
  assert.is(state.status, "sent", state.error_message);
  assert.is(state.events[0]?.code, "http_200");
  assert.is(sendgrid.ledger.length, 1);
  assert.is(sendgrid.copies(id), 0);
});

story("a fault of SendGrid's own is tried again a second later", async () => {
  sendgrid.next({ kind: "status", status: 503 });
  const id = await system.accept();
  const state = await system.settled(id);
  assert.is(state.status, "sent");
  assert.is(state.retry_count, 1);
  assert.equal(types(state), ["retry", "sent"]);
  assert.is(state.events[0]?.code, "http_503");
  assert.is(state.error_message, "");
  const [one, two] = sendgrid.ledger;
  const gap = (two?.at ?? 0) - (one?.at ?? 0);
  assert.ok(gap >= 950 && gap < 3000, `${gap} ms`);
  assert.is(sendgrid.copies(id), 1);
});

story("a fault that stays fails the mail after the ladder, and its message lies in failed-mails", async () => {
  sendgrid.always({ kind: "status", status: 500 });
  const id = await system.accept();
  const state = await system.settled(id);
  assert.is(state.status, "failed");
  assert.is(state.retry_count, 2);
  assert.equal(types(state), ["retry", "retry", "failed"]);
  assert.match(state.error_message, "http_500");
  assert.equal(statuses(sendgrid.ledger), [500, 500, 500]);
  const dead = await deadLetter(id);
  assert.is(dead.reason, "http_500");
  assert.is(dead.attempt, 3);
});

story("a mail that SendGrid refuses fails at once, with SendGrid's words", async () => {
  sendgrid.next({
    kind: "status",
    status: 400,
    message: "The from address does not match a verified Sender Identity.",
  });
  const id = await system.accept();
  const state = await system.settled(id);
  assert.is(state.status, "failed");
  assert.is(state.retry_count, 0);
  assert.equal(types(state), ["failed"]);
  assert.match(state.error_message, "The from address does not match a verified Sender Identity.");
  assert.is((await deadLetter(id)).reason, "http_400");
  assert.is(sendgrid.ledger.length, 1);
});

for (const status of [401, 403, 413]) {
  story(`an answer ${status} is final, too`, async () => {
    sendgrid.next({ kind: "status", status });
    const state = await system.settled(await system.accept());
    assert.is(state.status, "failed");
    assert.is(state.events[0]?.code, `http_${status}`);
    assert.is(sendgrid.ledger.length, 1);
  });
}

story("asked to slow down, it waits as long as it was told and uses up no retry", async () => {
  const slow = { kind: "status", status: 429, headers: { "retry-after": "2" } } as const;
  // More often than there are retries.
  sendgrid.next(slow, slow, slow);
  const id = await system.accept();
  const state = await system.settled(id, 20_000);
  assert.is(state.status, "sent", state.error_message);
  assert.is(state.retry_count, 0);
  assert.equal(types(state), ["throttled", "throttled", "throttled", "sent"]);
  const gaps = sendgrid.ledger.slice(1).map(({ at }, index) => at - (sendgrid.ledger[index]?.at ?? 0));
  assert.ok(
    gaps.every((gap) => gap >= 1950 && gap < 6000),
    `${gaps.join(", ")} ms`,
  );
});

for (const when of ["read", "accepted"] as const) {
  story(`a connection cut after SendGrid has ${when} it: unknown, and by the policy tried again`, async () => {
    sendgrid.next({ kind: "reset", when });
    const id = await system.accept();
    const state = await system.settled(id);
    assert.is(state.status, "sent");
    assert.equal(types(state), ["outcome_unknown", "sent"]);
    assert.is(sendgrid.copies(id), when === "accepted" ? 2 : 1, "a copy more only where it cannot be known");
  });

  story(`a connection cut after SendGrid has ${when} it: unknown, and held where that is the policy`, async () => {
    sendgrid.next({ kind: "reset", when });
    const id = await holding.accept();
    const state = await holding.settled(id);
    assert.is(state.status, "failed");
    assert.equal(types(state), ["outcome_unknown"]);
    assert.is(sendgrid.ledger.length, 1, "it is not sent a second time");
  });
}

story("a message that comes again, meanwhile or afterwards, does nothing", async () => {
  sendgrid.always({ kind: "delay", ms: 500 });
  const id = await system.accept();
  await eventually(() => sendgrid.busy === 1, { what: "it is being sent" });
  await publish(...Array.from({ length: 5 }, () => ({ mail_id: id })));
  assert.is((await system.settled(id)).status, "sent");
  await publish(...Array.from({ length: 5 }, () => ({ mail_id: id })));
  // The last to come through: all before it have been looked at.
  const last = await system.accept();
  assert.is((await system.settled(last)).status, "sent");
  assert.is(sendgrid.copies(id), 1);
  assert.equal(types(await system.status(id)), ["sent"]);
});

story("a message that is none of ours lies in failed-mails, and stops nothing", async () => {
  await publish({ mail_id: "no id" }, { mail_id: "00000000-0000-4000-8000-000000000000" }, 7);
  assert.match(String((await deadLetter("no id")).reason), "invalid_message");
  assert.is((await system.settled(await system.accept())).status, "sent");
});

story("a refused connection is known to have sent nothing: it is tried again, also under hold", async () => {
  const port = Number(new URL(sendgrid.url).port);
  await sendgrid.close();
  const id = await holding.accept();
  await eventually(async () => types(await holding.status(id)).includes("retry"), { what: "a first attempt" });
  const before = await holding.status(id);
  assert.is(before.events[0]?.code, "ECONNREFUSED");
  const back = createServer((request, response) => {
    request.resume().once("end", () => response.writeHead(202).end());
  }).listen(port, "127.0.0.1");
  await once(back, "listening");
  try {
    const state = await holding.settled(id);
    assert.is(state.status, "sent");
    assert.ok(
      types(state)
        .slice(0, -1)
        .every((type) => type === "retry"),
    );
  } finally {
    back.closeAllConnections();
    back.close();
  }
});

/** Puts messages into the mail queue, as anybody with access to RabbitMQ can. */
async function publish(...messages: unknown[]): Promise<void> {
  const connection = await connect(rabbit);
  try {
    const channel = await connection.createConfirmChannel();
    for (const message of messages) channel.sendToQueue("mail-queue", Buffer.from(JSON.stringify(message)));
    await channel.waitForConfirms();
  } finally {
    await connection.close();
  }
}

/** Takes messages out of failed-mails until that of the mail comes. */
async function deadLetter(mailId: string): Promise<{ reason: unknown; attempt: unknown }> {
  const connection = await connect(rabbit);
  try {
    const channel = await connection.createChannel();
    return await eventually(
      async () => {
        const message = await channel.get("failed-mails", { noAck: true });
        if (message === false) return undefined;
        const content: { mail_id?: string } = JSON.parse(message.content.toString());
        const headers = message.properties.headers ?? {};
        return content.mail_id === mailId && { reason: headers["x-reason"], attempt: headers["x-attempt"] };
      },
      { what: `the message of ${mailId} in failed-mails` },
    ).then((found) => found || { reason: undefined, attempt: undefined });
  } finally {
    await connection.close();
  }
}

story.run();
