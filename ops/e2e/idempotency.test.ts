/** Requests that are repeated under one key: by a client that got no answer, or by fifty at once. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase, freshVhost } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type Answer, type Mail, type System } from "./system.ts";

const repeated = suite("idempotency");
let one: System;
let other: System;

repeated.before(async () => {
  // With the limits that a system has that nobody has set up: repeating must not use them up.
  const env = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    JWT_SECRET: randomUUID(),
    RATE_LIMIT_RECIPIENT_PER_HOUR: "10",
  };
  one = await startSystem({ env });
  other = await startSystem({ env: { ...env, DATA_DIR: one.dataDir }, token: one.token });
});
repeated.after(stopAll);

let keys = 0;
const newKey = () => `key ${++keys}`;
/** Each mail to another recipient, for each gets only so many. */
const newMail = (mail: Mail = {}) => ({ ...plainMail, to: [`guest${keys}@example.org`], ...mail });
const under = (key: string) => ({ headers: { "idempotency-key": key } });
const sendBatch = (system: System, mails: readonly unknown[], key: string) =>
  system.call("/api/v1/mail/send/batch", { method: "POST", body: { mails }, ...under(key) });
const isReplay = ({ headers }: Answer) => headers.get("idempotency-replayed") === "true";
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const copies = async (id: string) => (await one.inbox()).filter((name) => name.startsWith(id)).length;

repeated("50 requests with one key at once make one mail, and 50 answers that are equal to the byte", async () => {
  const [key, mail] = [newKey(), newMail({ attachments: [{ filename: "a.txt", content: "aGk=" }] })];
  const answers = await Promise.all(times(50, () => one.send(mail, under(key))));
  assert.equal([...new Set(answers.map(({ status }) => status))], [200], answers[0]?.text);
  assert.is(new Set(answers.map(({ text }) => text)).size, 1);
  assert.is(answers.filter((answer) => !isReplay(answer)).length, 1);
  const id = String(answers[0]?.body["mail_id"]);
  await one.settled(id);
  assert.is(await copies(id), 1);
});

repeated("50 batches with one key at once are one batch, also when one of its mails is bad", async () => {
  const key = newKey();
  const mails = [newMail(), newMail({ to: ["nobody"] }), newMail()];
  const answers = await Promise.all(times(50, () => sendBatch(one, mails, key)));
  assert.equal([...new Set(answers.map(({ status }) => status))], [200], answers[0]?.text);
  assert.is(new Set(answers.map(({ text }) => text)).size, 1);
  assert.is(answers.filter((answer) => !isReplay(answer)).length, 1);
  assert.match(answers[0]?.text ?? "", /^\{"success":false,"batch_id":"[\da-f-]{36}","results":\[\{"mail_id":/);
});

repeated("two containers at once are one system: one mail, one batch", async () => {
  for (let round = 0; round < 5; round++) {
    const key = newKey();
    const mail = newMail();
    const mails = await Promise.all([one.send(mail, under(key)), other.send(mail, under(key))]);
    assert.is(new Set(mails.map(({ text }) => text)).size, 1, mails[0]?.text);
    const batchKey = newKey();
    const batch = [newMail(), newMail()];
    const batches = await Promise.all([sendBatch(one, batch, batchKey), sendBatch(other, batch, batchKey)]);
    assert.is(new Set(batches.map(({ text }) => text)).size, 1, batches[0]?.text);
    for (const pair of [mails, batches]) assert.is(pair.filter((answer) => !isReplay(answer)).length, 1);
  }
});

repeated("a key that was used for another body, or another kind of request, is refused", async () => {
  const [key, batchKey] = [newKey(), newKey()];
  const mail = newMail();
  assert.is((await one.send(mail, under(key))).status, 200);
  assert.is((await sendBatch(one, [mail], batchKey)).status, 200);
  const answers = await Promise.all([
    one.send({ ...mail, subject: "Another" }, under(key)),
    sendBatch(one, [mail], key),
    one.send(mail, under(batchKey)),
    sendBatch(one, [mail, mail], batchKey),
  ]);
  for (const answer of answers) {
    assert.equal([answer.status, answer.body["error"]], [422, "idempotency_key_reused"], answer.text);
  }
});

repeated("what was refused is not remembered: mended, it goes under the same key", async () => {
  const key = newKey();
  assert.is((await one.send(newMail({ to: ["nobody"] }), under(key))).status, 400);
  const answer = await one.send(newMail(), under(key));
  assert.is(answer.status, 200, answer.text);
  assert.not(isReplay(answer));
});

repeated("a key has 1 to 256 characters", async () => {
  const send = (key: string) => Promise.all([one.send(newMail(), under(key)), sendBatch(one, [newMail()], key)]);
  keys++;
  for (const answer of await send("")) assert.is(answer.status, 400);
  for (const answer of await send("k".repeat(257))) {
    assert.is(answer.status, 400);
    assert.match(answer.text, '"field":"Idempotency-Key"');
  }
  assert.is((await one.send(newMail(), under("k".repeat(256)))).status, 200);
});

repeated(
  "a client that got no answer repeats its request after the system was killed, and gets the first reply",
  async () => {
    const [key, batchKey] = [newKey(), newKey()];
    const mail = newMail();
    const first = await one.send(mail, under(key));
    const firstBatch = await sendBatch(one, [mail, mail], batchKey);
    await one.kill();
    await one.start();
    const [again, againBatch] = [await one.send(mail, under(key)), await sendBatch(one, [mail, mail], batchKey)];
    assert.equal([again.text, againBatch.text], [first.text, firstBatch.text]);
    assert.ok(isReplay(again) && isReplay(againBatch));
  },
);

repeated.run();
