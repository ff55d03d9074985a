/** Mail in mail: what looks like the end of a message and is none lets no second one through, on the way in and out. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { freshDatabase } from "../harness/test.ts";
import { leaves, parseMime } from "./stand-ins/mime.ts";
import { startRelay, type RelayStandIn } from "./stand-ins/smtp-relay.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("smuggled mail");
let database: Client;
let relay: RelayStandIn;
let system: System;
let client: Dialogue;

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  relay = await startRelay({ open: true });
  const way = { SMTP_HOST: relay.host, SMTP_PORT: String(relay.port), SMTP_SECURE: "none" };
  system = await startSystem({ smtp: true, env: { ...way, DATABASE_URL: url } });
});
story.before.each(async () => {
  relay.reset();
  client = await dial(system.smtp.port);
  assert.is((await client.hear()).code, 220);
});
story.after.each(() => client.close());
story.after(async () => {
  await stopAll();
  await Promise.all([relay.close(), database.end()]);
});

/** None of them ends a message: RFC 5321, section 4.1.1.4. */
const lookAlikes = [
  "\n.\n",
  "\n.\r\n",
  "\n.\r",
  "\r\n.\n",
  "\r\n.\r",
  "\r.\r",
  "\r.\n",
  "\r.\r\n",
  "\n\r.\n\r",
  "\n\n.\n\n",
  "\r\r\n.\r\r\n",
  "\r\n.\r\r\n",
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
  "\r\n.\r\0\n",
  "\r\0\n.\r\n",
  "\r\n. \r\n",
  "\r\n .\r\n",
  "\r\n.\t\r\n",
  "\r\n.\v\r\n",
  "\f.\f",
  "\u0085.\u0085",
  "\u2028.\u2028",
];
const smuggled =
  "MAIL FROM:<eve@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: inner\r\n\r\ninner\r\n";
/** What a client may say in an encoding, where even the true end is text. PostgreSQL keeps no NUL. */
const hidden = ["\r\n.\r\n", ...lookAlikes.filter((end) => !end.includes("\0"))]
  .map((end) => `line${end}${smuggled}`)
  .join("");

interface Kept {
  id: string;
  from_address: string;
  to: string[];
}

/** All mail that there is, once it is sent. */
async function mails(): Promise<Kept[]> {
  const { rows } = await database.query<Kept>(
    `SELECT id, from_address, to_addresses || cc_addresses || bcc_addresses AS to FROM mails ORDER BY created_at`,
  );
  for (const { id } of rows) assert.is((await system.settled(id)).status, "sent");
  return rows;
}

/** As it lies in the inbox. */
async function inInbox(id: string): Promise<string> {
  const files = (await system.inbox()).filter((name) => name.startsWith(id));
  assert.is(files.length, 1);
  const raw = await readFile(join(system.dataDir, "inbox", files[0] ?? ""), "latin1");
  assert.not.match(raw, "\r");
  return raw;
}

async function textInInbox(id: string): Promise<string> {
  const raw = await inInbox(id);
  const { content } = parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
  return content.toString().replaceAll("\r\n", "\n");
}

/** What becomes of what is none: a lone CR is a space, a lone LF a line end. NUL goes. */
function asLineEnds(text: string): string {
  return text
    .replaceAll(/\r*\n/g, "\r\n")
    .replaceAll(/\r+(?!\n)/g, " ")
    .replaceAll("\0", "");
}

const idIn = (text: string) => /queued as ([\da-f-]{36})/.exec(text)?.[1] ?? "";

/** Each byte in a packet of its own, as far as that can be had. */
async function inPackets(bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    client.send(Buffer.of(byte));
    await nextTurn();
  }
}
const ways: Record<string, (bytes: Buffer) => Promise<void>> = {
  "in one packet": async (bytes) => client.send(bytes),
  "byte by byte": inPackets,
};

for (const [how, send] of Object.entries(ways)) {
  story(`nothing but its true end ends a message, sent ${how}`, async () => {
    const before = await mails();
    const ends = new Map<string, string>();
    for (const end of lookAlikes) {
      await client.begin("ann@example.com", "bob@example.org");
      client.send("Subject: outer\r\n\r\nouter");
      await send(Buffer.from(end));
      client.send(smuggled);
      await send(Buffer.from(".\r\n"));
      const { text } = await client.hear();
      assert.match(text, /^250 2\.6\.0 /, JSON.stringify(end));
      assert.is((await client.say("NOOP")).text, "250 2.0.0 OK\r\n", `more was answered after ${JSON.stringify(end)}`);
      ends.set(idIn(text), end);
    }
    const taken = (await mails()).slice(before.length);
    assert.is(taken.length, lookAlikes.length);
    for (const { id, from_address, to } of taken) {
      assert.equal([from_address, to], ["ann@example.com", ["bob@example.org"]]);
      const end = ends.get(id) ?? "of another mail";
      const text = `outer${asLineEnds(end)}${smuggled}`.replaceAll("\r\n", "\n");
      assert.is(await textInInbox(id), text, JSON.stringify(end));
    }
  });

  story(`and its true end does, sent ${how}`, async () => {
    const before = await mails();
    await client.begin("ann@example.com", "bob@example.org");
    client.send("Subject: first\r\n\r\nfirst");
    await send(Buffer.from(`\r\n.\r\n`));
    client.send(`${smuggled}.\r\n`);
    const codes: number[] = [];
    while (codes.length < 5) codes.push((await client.hear()).code);
    assert.equal(codes, [250, 250, 250, 354, 250]);
    const taken = (await mails()).slice(before.length);
    assert.equal(
      taken.map(({ to }) => to),
      [["bob@example.org"], ["victim@example.org"]],
    );
  });
}

const base64 = (text: string) =>
  (
    Buffer.from(text)
      .toString("base64")
      .match(/.{1,76}/g) ?? []
  ).join("\r\n");
const quoted = (text: string) =>
  [...Buffer.from(text)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`);
const parts = (...sections: string[]) => `--b\r\n${sections.join("\r\n--b\r\n")}\r\n--b--\r\n`;
const head = "Subject: hidden\r\nMIME-Version: 1.0\r\n";

for (const [encoding, encoded] of [
  ["base64", base64(hidden)],
  [
    "quoted-printable",
    (
      quoted(hidden)
        .join("")
        .match(/(?:=..){1,25}/g) ?? []
    ).join("=\r\n"),
  ],
] as const) {
  story(`what a text hides in ${encoding} arrives with line ends that are none of SMTP's`, async () => {
    const before = await mails();
    await client.begin("ann@example.com", "bob@example.org");
    const type = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
    const { text } = await client.message(`${head}${type}${encoded}\r\n`);
    assert.match(text, /^250 2\.6\.0 /);
    const taken = (await mails()).slice(before.length);
    assert.equal(
      taken.map(({ to }) => to),
      [["bob@example.org"]],
    );
    const raw = await inInbox(idIn(text));
    assert.ok(raw.includes("RCPT TO:<victim@example.org>"), "its text is lost");
  });
}

story("what attachments hide arrives byte for byte, a message in a message as well", async () => {
  const inner = `Subject: inner\r\n\r\n${hidden}`;
  const file = (type: string, name: string, content: string) =>
    `Content-Type: ${type}\r\nContent-Disposition: attachment; filename=${name}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(content)}`;
  await client.begin("ann@example.com", "bob@example.org");
  const { text } = await client.message(
    `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts(
      "Content-Type: text/plain\r\n\r\nSee the files.",
      file("message/rfc822", "inner.eml", inner),
      file("text/plain", "notes.txt", hidden),
    )}`,
  );
  assert.match(text, /^250 2\.6\.0 /);
  const kept = (await mails()).filter(({ id }) => id === idIn(text));
  assert.equal(kept[0]?.to, ["bob@example.org"]);
  const raw = await inInbox(idIn(text));
  const [, ...files] = leaves(parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1")));
  assert.equal(
    files.map(({ filename, content }) => [filename, content.toString()]),
    [
      ["inner.eml", inner],
      ["notes.txt", hidden],
    ],
  );
});

/** A mail as the schedule hands it over, with whatever it says in the database. */
async function schedule(text: string, html: string, files: { name: string; type: string; content: string }[]) {
  const id = randomUUID();
  await database.query("BEGIN");
  await database.query(
    `INSERT INTO mails (id, source, client_id, from_address, to_addresses, subject, body, html, attachment_bytes)
     VALUES ($1, 'schedule', 'schedule', 'shop@example.com', '{bob@example.org}', 'Report', $2, $3, 1)`,
    [id, text, html],
  );
  for (const [position, { name, type, content }] of files.entries()) {
    const path = `2026/01/20/${id}/${name}`;
    const target = join(system.dataDir, "attachments", path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    await database.query(
      `INSERT INTO attachments (mail_id, position, filename, content_type, size_bytes, storage_path, sha256)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, position, name, type, content.length, path, createHash("sha256").update(content).digest("hex")],
    );
  }
  await database.query("COMMIT");
  return id;
}

story("by a relay it leaves as one message for its one recipient, with line ends that are SMTP's", async () => {
  const inner = `Subject: inner\r\n\r\n${hidden}`;
  const id = await schedule(hidden, `<p>${hidden}</p>`, [
    { name: "notes.txt", type: "text/plain", content: hidden },
    { name: "inner.eml", type: "message/rfc822", content: inner },
    { name: "partial.eml", type: "Message/Partial", content: inner },
    { name: "page.html", type: "text/html; charset=utf-8", content: hidden },
  ]);
  const state = await system.settled(id);
  assert.is(state.status, "sent", state.error_message);
  assert.equal([relay.messages.length, relay.messages[0]?.to], [1, ["bob@example.org"]]);
  const raw = (relay.messages[0]?.raw ?? Buffer.alloc(0)).toString("latin1");
  assert.not.match(raw, /\r(?!\n)|(?<!\r)\n/);
  const files = leaves(parseMime(Buffer.from(raw, "latin1"))).slice(2);
  assert.equal(
    files.map(({ content }) => content.toString()),
    [hidden, inner, inner, hidden],
  );
});

story.run();
