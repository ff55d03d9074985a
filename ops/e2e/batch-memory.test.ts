/** Many large batches at once, in a process that has as little memory as in production. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freshDatabase, freshVhost } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const story = suite("memory of batches");
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
      FUNCTIONS: await functionsOfApi(),
    },
  });
});

/** Those that the image's API runs. */
async function functionsOfApi(): Promise<string> {
  const compose = await readFile(join(import.meta.dirname, "../../docker-compose.yml"), "utf8");
  const list = /FUNCTIONS: "(health,auth[^"]*)"/.exec(compose)?.[1] ?? "";
  assert.match(list, "mail/send-batch");
  return list.replaceAll(/\\\n\s*/g, "");
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

story.run();
