/** The ugliest mail that there is, by SMTP all the way to where it arrives: answered, and delivered byte for byte. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { eventually } from "../harness/test.ts";
import { corpus } from "./smtp-corpus/index.ts";
import type { Case } from "./smtp-corpus/case.ts";
import { leaves, parseMime, type Part } from "./stand-ins/mime.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("ugly mail");
let system: System;
story.before(async () => void (system = await startSystem({ smtp: true, env: { LOG_LEVEL: "warn" } })));
story.after(stopAll);

const sessions = 4;

story("every message is answered as it should be, and arrives with its parts as they were", async () => {
  const wrong: string[] = [];
  const accepted: { one: Case; id: string }[] = [];
  const waiting = corpus.values();
  const session = async () => {
    const client = await dial(system.smtp.port, { within: 30_000 });
    await client.hear();
    for (const one of waiting) {
      const { code, text } = await handOver(client, one);
      if (code !== one.answer) wrong.push(`${one.name}: answered ${text.trim()}, not ${one.answer}`);
      const [, id] = /queued as ([\da-f-]{36})/.exec(text) ?? [];
      if (code === 250) accepted.push({ one, id: id ?? "" });
    }
    client.close();
  };
  await Promise.all(Array.from({ length: sessions }, session));

  const sent = async () => Number((await system.call("/api/v1/mail/history?status=sent")).body["total"]);
  const all = async () => (await sent()) === accepted.length;
  await eventually(all, { what: `${accepted.length} mails are sent`, within: 60_000 });
  const files = await system.inbox();
  for (const { one, id } of accepted) {
    const [file, ...more] = files.filter((name) => name.startsWith(id));
    if (file === undefined || more.length > 0)
      wrong.push(`${one.name}: it is there ${more.length + (file ? 1 : 0)} times`);
    else wrong.push(...(await mistakes(one, file)).map((what) => `${one.name}: ${what}`));
  }
  assert.equal(wrong, []);
  assert.ok(accepted.length > 400);
});

async function handOver(client: Dialogue, { raw, from = "sender@example.net", to = ["ann@example.org"] }: Case) {
  await client.begin(from, ...to);
  return await client.message(Buffer.concat([raw, Buffer.from("\r\n")]));
}

async function mistakes({ expect }: Case, file: string): Promise<string[]> {
  const raw = await readFile(join(system.dataDir, "inbox", file), "latin1");
  if (raw.includes("\r")) return ["a CR got out"];
  if (!expect) return [];
  const message = parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
  const parts = leaves(message);
  const [texts, files] = [
    parts.filter((part) => isText(part)),
    parts.filter((part) => !isText(part) && !isNothing(part)),
  ];
  const wrong: string[] = [];
  for (const [type, wanted] of [
    ["text/plain", expect.text],
    ["text/html", expect.html],
  ] as const) {
    if (wanted === undefined) continue;
    const found =
      texts
        .find((part) => part.type === type)
        ?.content.toString()
        .replaceAll("\r\n", "\n")
        .trimEnd() ?? "";
    if (found !== wanted.trimEnd()) wrong.push(`${type} is ${JSON.stringify(found.slice(0, 200))}`);
  }
  // Pictures of the html come before what is attached.
  const left = [...files];
  for (const wanted of expect.attachments ?? []) {
    const index = left.findIndex(({ content }) => content.equals(wanted.content));
    const [found] = index < 0 ? [] : left.splice(index, 1);
    if (!found) wrong.push(`${wanted.filename} of ${wanted.content.length} bytes is not there as it was`);
    else if (wanted.cid !== undefined && found.headers.get("content-id") !== `<${wanted.cid}>`)
      wrong.push(`${wanted.filename} has another Content-ID`);
  }
  if (expect.attachments && left.length > 0) wrong.push(`${left.length} files too many`);
  return wrong;
}

/** What is shown, and no file. */
function isText({ type, headers }: Part): boolean {
  return /^text\/(?:plain|html)$/.test(type) && !headers.has("content-disposition");
}

function isNothing({ content, headers }: Part): boolean {
  return content.length === 0 && !headers.has("content-disposition");
}

story.run();
