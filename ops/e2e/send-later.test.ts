/** When a mail is sent: at a time that its client names, or while its client waits. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { plainMail, startSystem, stopAll, type Answer, type Mail, type System } from "./system.ts";

const story = suite("sending later, and waiting");
let sendgrid: SendGridStandIn;
let system: System;

story.before(async () => {
  sendgrid = await startSendGrid();
  system = await startSystem({
    env: {
      DATABASE_URL: await freshDatabase(),
      RABBITMQ_URL: await freshVhost(),
      SENDGRID_API_KEY: sendgrid.key,
      SENDGRID_BASE_URL: sendgrid.url,
    },
  });
});
story.before.each(() => sendgrid.reset());
story.after(async () => {
  await stopAll();
  await sendgrid.close();
});

const inMs = (ms: number) => new Date(Date.now() + ms);
/** When the provider got a mail. */
function arrivedAt(id: string): number {
  const at = sendgrid.ledger.find(({ mailId }) => mailId === id)?.at;
  return at === undefined ? Number.NaN : performance.timeOrigin + at;
}
async function assertOnTime(id: string, sendAt: Date): Promise<void> {
  await eventually(() => sendgrid.copies(id) > 0, { what: "it is sent", within: 15_000 });
  const lateMs = arrivedAt(id) - sendAt.getTime();
  // A clock that ticks in whole milliseconds on one side may be one off.
  assert.ok(lateMs > -1 && lateMs < 1000, `sent ${lateMs} ms after its time`);
  assert.is((await system.settled(id)).status, "sent");
  assert.is(sendgrid.copies(id), 1);
}

story("mails for twenty moments are each sent within the second after theirs, and never before", async () => {
  const times = Array.from({ length: 20 }, (_, n) => inMs(1500 + n * 170));
  const ids: string[] = [];
  for (const sendAt of times) {
    const answer = await system.send({ send_at: sendAt.toISOString() });
    assert.is(answer.status, 200, answer.text);
    assert.equal(
      [answer.body["status"], answer.body["estimated_send_time"]],
      ["queued", sendAt.toISOString()],
      answer.text,
    );
    ids.push(String(answer.body["mail_id"]));
  }
  assert.is(sendgrid.ledger.length, 0);
  for (const [index, sendAt] of times.entries()) await assertOnTime(ids[index] ?? "", sendAt);
});

story("a time may have any offset, and a batch may have one for each of its mails", async () => {
  const sendAt = inMs(2500);
  const taipei = `${new Date(sendAt.getTime() + 8 * 3_600_000).toISOString().slice(0, -1)}+08:00`;
  const mails = [
    { ...plainMail, send_at: taipei },
    plainMail,
    { ...plainMail, send_at: inMs(3_600_000).toISOString() },
  ];
  const answer = await system.call("/api/v1/mail/send/batch", { method: "POST", body: { mails } });
  assert.is(answer.body["success"], true, answer.text);
  const [later, now, muchLater] = (answer.body["results"] as { mail_id: string }[]).map(({ mail_id }) => mail_id);
  await system.settled(now ?? "");
  assert.is(sendgrid.copies(later ?? ""), 0);
  await assertOnTime(later ?? "", sendAt);
  assert.is((await system.status(muchLater ?? "")).status, "queued");
});

story("until its time it is queued, and can be cancelled", async () => {
  const sendAt = inMs(1800);
  const id = await system.accept({ send_at: sendAt.toISOString() });
  assert.is((await system.status(id)).status, "queued");
  const answer = await system.call(`/api/v1/mail/cancel/${id}`, { method: "DELETE" });
  assert.is(answer.status, 200, answer.text);
  // The next one is for the same moment: when it has come, the first one would have, too.
  await assertOnTime(await system.accept({ send_at: sendAt.toISOString() }), sendAt);
  assert.is(sendgrid.copies(id), 0);
  assert.is((await system.status(id)).status, "cancelled");
});

story("a system that was killed and is back by then sends it at its time", async () => {
  const sendAt = inMs(12_000);
  const id = await system.accept({ send_at: sendAt.toISOString() });
  await system.kill();
  await system.start();
  assert.ok(Date.now() < sendAt.getTime(), "it is back in time");
  await assertOnTime(id, sendAt);
});

const wrong: [what: string, send_at: unknown][] = [
  ["without an offset", "2030-01-01T10:00:00"],
  ["no time", "tomorrow"],
  ["no text", 1_900_000_000],
  ["more than a minute past", inMs(-62_000).toISOString()],
  ["more than a year ahead", inMs(367 * 86_400_000).toISOString()],
];
for (const [what, send_at] of wrong) {
  story(`a send_at that is ${what} is refused by its name`, async () => {
    const answer = await system.send({ send_at });
    assert.equal([answer.status, answer.body["error"]], [400, "invalid_request"], answer.text);
    assert.match(answer.text, '"field":"send_at"');
  });
}

story("a time that has just passed is now", async () => {
  const id = await system.accept({ send_at: inMs(-30_000).toISOString() });
  assert.is((await system.settled(id)).status, "sent");
});

const waiting = (wait: string, mail: Mail = {}, headers: Record<string, string> = {}) =>
  system.send(mail, { headers: { prefer: wait, ...headers } });
const told = ({ status, body, headers }: Answer) => [
  status,
  body["success"],
  body["status"],
  body["message"],
  headers.get("preference-applied"),
];

/** A client that waits for a mail that is not sent for an hour. */
async function waitingInVain(): Promise<{ answer: Promise<Answer>; id: string }> {
  const mail = { send_at: inMs(3_600_000).toISOString() };
  const key = { "idempotency-key": randomUUID() };
  const answer = waiting("wait=30", mail, key);
  // The same request once more tells the id, without waiting.
  const again = async () => (await system.send(mail, { headers: key })).body["mail_id"];
  return { answer, id: String(await eventually(again, { what: "the mail is accepted" })) };
}

story("a client that waits is answered once the mail is sent", async () => {
  sendgrid.next({ kind: "delay", ms: 300 });
  const answer = await waiting("wait=20");
  assert.equal(told(answer), [200, true, "sent", "郵件發送成功", "wait=20"]);
  assert.ok(answer.ms >= 300 && answer.ms < 10_000, `${answer.ms} ms`);
  assert.is(sendgrid.copies(String(answer.body["mail_id"])), 1);
});

story("or once it has failed: it was accepted, and its status tells", async () => {
  sendgrid.next({ kind: "status", status: 400 });
  assert.equal(told(await waiting("wait=20")), [200, true, "failed", "郵件發送失敗", "wait=20"]);
});

story("when the time runs out, the answer is the status of that moment", async () => {
  sendgrid.next({ kind: "delay", ms: 4000 });
  const answer = await waiting("wait=1");
  assert.equal(told(answer), [200, true, "processing", "郵件已加入發送隊列", "wait=1"]);
  assert.ok(answer.ms >= 1000 && answer.ms < 3500, `${answer.ms} ms`);
  const later = await waiting("wait=1", { send_at: inMs(3_600_000).toISOString() });
  assert.equal(told(later), [200, true, "queued", "郵件已加入發送隊列", "wait=1"]);
});

story("whoever cancels the mail ends the waiting for it", async () => {
  const { answer, id } = await waitingInVain();
  await system.call(`/api/v1/mail/cancel/${id}`, { method: "DELETE" });
  assert.equal(told(await answer), [200, true, "cancelled", "郵件已取消", "wait=30"]);
});

story("a preference that is not understood is no preference", async () => {
  for (const prefer of ["wait=soon", "wait", "wait=-1", "respond-async", ""]) {
    assert.equal(told(await waiting(prefer)), [200, true, "queued", "郵件已加入發送隊列", null]);
  }
});

story("a system that stops lets nobody wait any longer, and the mail is not lost", async () => {
  const { answer, id } = await waitingInVain();
  const started = performance.now();
  const [exit, ended] = await Promise.all([system.stop(), answer]);
  assert.equal(told(ended), [200, true, "queued", "郵件已加入發送隊列", "wait=30"]);
  assert.is(exit.code, 0);
  assert.ok(performance.now() - started < 10_000, "it did not stop for the waiting one");
  await system.start();
  assert.is((await system.status(id)).status, "queued");
});

story("more than 30 seconds are taken as 30, and one may name other preferences beside", async () => {
  assert.equal(told(await waiting("handling=lenient, Wait=3600")), [200, true, "sent", "郵件發送成功", "wait=30"]);
});

story.run();
