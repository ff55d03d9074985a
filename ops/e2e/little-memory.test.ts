/** Large batches and long texts, in processes that have as little memory as in production. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { meetings } from "../harness/smtp-dialogue.ts";
import { freshDatabase, freshVhost } from "../harness/test.ts";
import { startSendGrid } from "./stand-ins/sendgrid.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const story = suite("little memory");
story.after(stopAll);

/** As in the image. */
const small = { NODE_OPTIONS: "--max-old-space-size=112", MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" };

let system: System;
const sendBatch = (body: string) => system.call("/api/v1/mail/send/batch", { method: "POST", body });
const batchOf = (count: number, mail: object) =>
  JSON.stringify({ mails: Array.from({ length: count }, () => ({ ...plainMail, ...mail })) });

story.before(async () => {
  system = await startSystem({
    env: {
      ...small,
      DATABASE_URL: await freshDatabase(),
      RABBITMQ_URL: await freshVhost(),
      MAIL_SENDER: "sandbox",
      // What sends it would share the little memory.
      FUNCTIONS: await functionsBeside("mail/send-batch"),
    },
  });
});

/** Those that the image runs in the container that has this one. */
async function functionsBeside(name: string): Promise<string> {
  const compose = await readFile(join(import.meta.dirname, "../../docker-compose.yml"), "utf8");
  const lists = Array.from(compose.matchAll(/FUNCTIONS: "([^"]*)"/g), ([, list = ""]) =>
    list.replaceAll(/\\\n\s*/g, ""),
  );
  const found = lists.find((list) => list.split(",").includes(name));
  assert.ok(found, name);
  return found;
}

story("sixteen batches of a thousand mails at once are taken one after the other, or asked to come back", async () => {
  const body = batchOf(1000, { body: "Grüße aus dem Hotel. ".repeat(150) });
  const answers = await Promise.all(Array.from({ length: 16 }, () => sendBatch(body)));
  const taken = answers.filter(({ status }) => status === 200);
  for (const { status, text, headers } of answers) {
    // 504: on a machine so slow that a call's own time was up meanwhile.
    assert.ok([200, 503, 504].includes(status), text);
    if (status === 503) assert.ok(Number(headers.get("retry-after")) > 0);
  }
  assert.ok(taken.length > 0);
  assert.is((await sendBatch(body)).status, 200, "it is as well as before");
});

const kilobyte = 1024;
const tooMuch: [name: string, body: string][] = [
  ["text", batchOf(1000, { body: "x".repeat(40 * kilobyte) })],
  ["Chinese text", batchOf(1000, { body: "漢".repeat(8 * kilobyte) })],
  ["text of which a little is Chinese", batchOf(1000, { body: `漢${"x".repeat(8 * kilobyte)}` })],
  ["one mail", JSON.stringify({ ...plainMail, body: "x".repeat(100_000 * kilobyte) })],
  ["values", batchOf(400, { to: Array.from({ length: 1000 }, (_, n) => `u${n}@example.com`) })],
];
for (const [name, body] of tooMuch)
  story(`more ${name} than there is memory for is refused, and says what to do`, async () => {
    const { status, text } = await sendBatch(body);
    assert.is(status, 413, text);
    assert.match(text, name === "values" ? /more than \d+ values/ : /more than 13 MB of text .*: send it in parts/);
  });

for (const [name, body] of [
  ["text", batchOf(1000, { body: "x".repeat(12 * kilobyte) })],
  ["text of which a little is Chinese", batchOf(1000, { body: `漢${"x".repeat(6 * kilobyte)}` })],
] as const)
  story(`as much ${name} as is taken is no matter, also several times at once`, async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => sendBatch(body)));
    for (const { status, text } of answers) assert.ok([200, 503, 504].includes(status), text);
    assert.is((await sendBatch(body)).status, 200, "it is as well as before");
  });

story("mails of 24 MB of text wait for each other at a worker, and all arrive", async () => {
  const sendgrid = await startSendGrid();
  const env = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: sendgrid.url,
    JWT_SECRET: randomUUID(),
  };
  const taking = await startSystem({
    smtp: true,
    env: { ...env, FUNCTIONS: "health,auth/*,mail/receive,mail/status" },
  });
  const { meet, part } = meetings(() => taking.smtp.port);
  const text = `Subject: Long\r\n\r\n漢\r\n${`${"x".repeat(70)}\r\n`.repeat(340_000)}`;
  const client = await meet();
  const ids: string[] = [];
  for (let count = 0; count < 5; count++) {
    await client.begin("shop@example.com", `guest${count}@example.org`);
    const reply = await client.message(text);
    ids.push(/queued as ([\da-f-]{36})/.exec(reply.text)?.[1] ?? reply.text);
  }
  part();
  const functions = await functionsBeside("mail/deliver");
  await startSystem({ env: { ...env, ...small, FUNCTIONS: functions }, token: taking.token });
  for (const id of ids) assert.is((await taking.settled(id, 60_000)).status, "sent");
  for (const id of ids) assert.is(sendgrid.copies(id), 1);
  await sendgrid.close();
});

story.run();
