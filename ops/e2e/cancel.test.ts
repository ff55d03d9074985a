/** Cancelling and retrying mail, with a provider, a database and a broker that are real or behave so. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const story = suite("cancel and retry");
let sendgrid: SendGridStandIn;
let system: System;
let database: Client;

story.before(async () => {
  sendgrid = await startSendGrid();
  const [url, rabbit, redis] = await Promise.all([freshDatabase(), freshVhost(), freshRedis()]);
  system = await startSystem({
    env: {
      DATABASE_URL: url,
      RABBITMQ_URL: rabbit,
      KEYDB_URL: redis,
      SENDGRID_API_KEY: sendgrid.key,
      SENDGRID_BASE_URL: sendgrid.url,
      MAX_RETRY_COUNT: "1",
    },
  });
  database = new Client({ connectionString: url });
  await database.connect();
});
story.before.each(() => sendgrid.reset());
story.after(async () => {
  await stopAll();
  await database.end();
  await sendgrid.close();
});

const cancel = (id: string, token?: string) =>
  system.call(`/api/v1/mail/cancel/${id}`, { method: "DELETE", ...(token && { token }) });
const retry = (id: string, token?: string) =>
  system.call(`/api/v1/mail/retry/${id}`, { method: "POST", ...(token && { token }) });
const later = () => ({ send_at: new Date(Date.now() + 3_600_000).toISOString() });

async function newClient(...permissions: string[]): Promise<string> {
  const body = { client_name: "Another", permissions };
  const answer = await system.call("/api/v1/auth/token", { method: "POST", body });
  return String(answer.body["token"]);
}

story("200 mails are cancelled while they are delivered: each is sent or cancelled, and none is both", async () => {
  sendgrid.always({ kind: "delay", ms: 20 });
  const mails = Array.from({ length: 200 }, () => plainMail);
  const answer = await system.call("/api/v1/mail/send/batch", { method: "POST", body: { mails } });
  assert.is(answer.status, 200, answer.text);
  const results = answer.body["results"] as { mail_id: string }[];
  const ids = results.map(({ mail_id }) => mail_id);
  await eventually(() => sendgrid.ledger.length > 0, { what: "delivering has begun" });

  // From the end, where the deliveries come to last.
  const cancelled = new Set<string>();
  for (const id of ids.toReversed()) {
    const { status, body } = await cancel(id);
    if (status === 200) cancelled.add(id);
    else assert.equal([status, body["error"]], [400, "cannot_cancel"]);
  }
  const open = "SELECT count(*)::int AS count FROM mails WHERE status IN ('queued', 'processing')";
  const isDone = async () => (await database.query<{ count: number }>(open)).rows[0]?.count === 0;
  await eventually(isDone, { what: "nothing is left to deliver", within: 30_000 });
  await eventually(() => sendgrid.busy === 0, { what: "the provider is idle" });

  for (const id of ids) {
    const state = await system.status(id);
    assert.is(state.status, cancelled.has(id) ? "cancelled" : "sent");
    assert.is(sendgrid.copies(id), cancelled.has(id) ? 0 : 1, `${id} is ${state.status}`);
  }
  assert.ok(cancelled.size > 0 && cancelled.size < 200, `${cancelled.size} were cancelled`);
});

story("the answers are those of the document", async () => {
  const id = await system.accept(later());
  const first = await cancel(id.toUpperCase());
  assert.is(first.status, 200, first.text);
  assert.is(first.text, JSON.stringify({ success: true, mail_id: id, status: "cancelled", message: "郵件已取消" }));
  const second = await cancel(id);
  assert.is(second.status, 400);
  assert.is(
    second.text,
    JSON.stringify({ success: false, error: "cannot_cancel", message: "Only queued mails can be cancelled" }),
  );
  const state = await system.status(id);
  assert.is(state.status, "cancelled");
  assert.equal(
    state.events.map(({ type }) => type),
    ["cancelled"],
  );
});

story("a mail that is with its provider, or was sent, cannot be cancelled", async () => {
  sendgrid.next({ kind: "delay", ms: 1000 });
  const id = await system.accept();
  await eventually(() => sendgrid.busy === 1, { what: "it is with the provider" });
  assert.is((await cancel(id)).body["error"], "cannot_cancel");
  assert.is((await system.settled(id)).status, "sent");
  assert.is((await cancel(id)).body["error"], "cannot_cancel");
});

story("a mail that may have been sent cannot be cancelled while it waits to be tried again", async () => {
  sendgrid.next({ kind: "reset", when: "accepted" }, { kind: "delay", ms: 1000 });
  const id = await system.accept();
  await eventually(async () => (await system.status(id)).status === "queued" && sendgrid.ledger.length === 1, {
    what: "it waits",
  });
  assert.is((await cancel(id)).body["error"], "cannot_cancel");
  assert.is((await system.settled(id)).status, "sent");
});

story("another client's mail is not there; cancelling needs its permission, an admin may cancel any", async () => {
  const [stranger, reader] = [await newClient("mail:cancel"), await newClient("mail:read")];
  const id = await system.accept(later());
  const unknown = await cancel(randomUUID(), stranger);
  const foreign = await cancel(id, stranger);
  assert.equal([unknown.status, unknown.text], [404, foreign.text]);
  assert.is((await cancel(id, reader)).status, 403);
  assert.is((await cancel("not-an-id")).status, 400);
  assert.is((await system.status(id)).status, "queued");
});

story("a mail that has failed is sent again when it is asked for, and its timeline tells all", async () => {
  sendgrid.next({ kind: "status", status: 500 }, { kind: "status", status: 500 });
  const content = Buffer.from("attached").toString("base64");
  const id = await system.accept({ attachments: [{ filename: "a.txt", content }] });
  assert.is((await system.settled(id)).status, "failed");
  const answer = await retry(id);
  assert.is(answer.status, 200, answer.text);
  const expected = { success: true, mail_id: id, status: "queued", message: "郵件已加入發送隊列" };
  assert.is(answer.text, JSON.stringify(expected));
  const isSent = async () => (await system.status(id)).status === "sent";
  await eventually(isSent, { what: "it is sent", within: 10_000 });
  const state = await system.status(id);
  assert.equal([state.retry_count, state.error_message], [0, ""]);
  assert.equal(
    state.events.map(({ type }) => type),
    ["retry", "failed", "requeued", "sent"],
  );
  assert.is(sendgrid.copies(id), 1);

  const again = await retry(id);
  const refused = { success: false, error: "cannot_retry", message: "Only failed mails can be retried" };
  assert.equal([again.status, again.text], [400, JSON.stringify(refused)]);
});

story("retrying is for a mail of one's own, and needs the permission to send", async () => {
  sendgrid.next({ kind: "status", status: 400 });
  const id = await system.accept();
  assert.is((await system.settled(id)).status, "failed");
  assert.is((await retry(id, await newClient("mail:send"))).status, 404);
  assert.is((await retry(id, await newClient("mail:read", "mail:cancel"))).status, 403);
  await database.query(
    `INSERT INTO attachments (mail_id, position, filename, size_bytes, storage_path, removed_at)
     VALUES ($1, 0, 'a.txt', 2, 'cleaned/a.txt', now())`,
    [id],
  );
  const cleaned = await retry(id);
  assert.equal([cleaned.status, cleaned.body["error"]], [400, "cannot_retry"]);
  assert.match(cleaned.text, "cleaned away");
});

story.run();
