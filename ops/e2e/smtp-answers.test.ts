/** What an SMTP client is answered, code by code, and that it is so: what is queued is there, what is refused is not. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue, type Reply } from "../harness/smtp-dialogue.ts";
import { eventually, freshDatabase } from "../harness/test.ts";
import { addressesIn, leaves, parseMime, type Part } from "./stand-ins/mime.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("answers by SMTP");
const limit = 2 ** 20;
let database: Client;
let system: System;
let client: Dialogue;

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  const env = { DATABASE_URL: url, JWT_SECRET: randomUUID(), SMTP_MAX_MESSAGE_SIZE_MB: "1" };
  system = await startSystem({ smtp: true, env });
});
story.before.each(async () => {
  client = await dial(system.smtp.port);
  await client.hear();
});
story.after.each(() => client.close());
story.after(async () => {
  await stopAll();
  await database.end();
});

async function mails(): Promise<number> {
  const { rows } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM mails");
  return rows[0]?.count ?? 0;
}

function idIn({ text }: Reply): string {
  const [, id = ""] = /^250 2\.6\.0 Ok: queued as ([\da-f-]{36})\r\n$/.exec(text) ?? [];
  assert.ok(id, text);
  return id;
}

/** Hands over a message, and returns its id. */
async function handOver(raw: string, from = "ann@example.com", ...to: string[]): Promise<string> {
  assert.is((await client.begin(from, ...to)).code, 354);
  return idIn(await client.message(raw));
}

/** As it lies in the inbox. */
async function arrived(id: string): Promise<Part> {
  assert.is((await system.settled(id)).status, "sent");
  const [file = ""] = (await system.inbox()).filter((name) => name.startsWith(id));
  const raw = await readFile(join(system.dataDir, "inbox", file), "latin1");
  return parseMime(Buffer.from(raw.replaceAll("\n", "\r\n"), "latin1"));
}

const recipients = ({ headers }: Part, name: string) => addressesIn(headers.get(name)).map(({ address }) => address);

story("each step of a mail has its code, and its enhanced one", async () => {
  const { lines } = await client.say("EHLO client.example");
  assert.match(lines[0] ?? "", /^localhost greets \[127\.0\.0\.1\]$/);
  assert.equal(lines.slice(1), [
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    `SIZE ${limit}`,
  ]);
  for (const [line, answer] of [
    ["MAIL FROM:<ann@example.com> SIZE=1000", /^250 2\.1\.0 /],
    ["RCPT TO:<bob@example.org>", /^250 2\.1\.5 /],
    ["RSET", /^250 2\.0\.0 /],
    ["MAIL FROM:<>", /^250 2\.1\.0 /],
    ["RCPT TO:<bob@example.org>", /^250 2\.1\.5 /],
    ["DATA", /^354 /],
    ["From: ann@example.com\r\n\r\nx\r\n.", /^250 2\.6\.0 Ok: queued as [\da-f-]{36}\r\n$/],
    ["NOOP", /^250 2\.0\.0 /],
    ["QUIT", /^221 2\.0\.0 /],
  ] as const) {
    assert.match((await client.say(line)).text, answer, line);
  }
  await client.ended();
});

story("what comes out of turn is told so", async () => {
  for (const line of ["MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.org>", "DATA"]) {
    assert.match((await client.say(line)).text, /^503 5\.5\.1 .*EHLO first/, line);
  }
  await client.say("EHLO client.example");
  for (const line of ["RCPT TO:<bob@example.org>", "DATA"])
    assert.match((await client.say(line)).text, /^503 5\.5\.1 /);
  await client.say("MAIL FROM:<ann@example.com>");
  for (const line of ["MAIL FROM:<ann@example.com>", "DATA"]) {
    assert.match((await client.say(line)).text, /^503 5\.5\.1 /);
  }
  assert.match((await client.say("MAIL FROM:ann@example.com")).text, /^501 5\.1\.7 /);
  assert.match((await client.say("RCPT TO:bob@example.org")).text, /^501 5\.1\.3 /);
  assert.is((await client.say("RCPT TO:<bob@example.org>")).code, 250);
});

story("a mail is there the moment that it is answered", async () => {
  for (let count = 0; count < 20; count++) {
    const id = await handOver("Subject: Your order\r\n\r\nIt is on its way.\r\n");
    assert.is((await system.call(`/api/v1/mail/status/${id}`)).status, 200);
    const { rows } = await database.query("SELECT client_id, client_name, source FROM mails WHERE id = $1", [id]);
    assert.equal(rows, [{ client_id: "smtp-relay", client_name: "SMTP relay", source: "smtp" }]);
  }
});

story("a message over the limit is refused when it is announced, and when it is not at its end", async () => {
  const before = await mails();
  await client.say("EHLO client.example");
  assert.match((await client.say(`MAIL FROM:<ann@example.com> SIZE=${limit + 1}`)).text, /^552 5\.3\.4 /);
  assert.match((await client.say("MAIL FROM:<ann@example.com> SIZE=99999999999999999999")).text, /^552 5\.3\.4 /);
  assert.match((await client.say("MAIL FROM:<ann@example.com> SIZE=many")).text, /^501 5\.5\.4 /);
  const head = "Subject: x\r\n\r\n";
  const fits = `${head}${"x".repeat(limit - head.length - 2)}\r\n`;
  for (const announced of [limit, 100]) {
    await client.say(`MAIL FROM:<ann@example.com> SIZE=${announced}`);
    await client.say("RCPT TO:<bob@example.org>");
    await client.say("DATA");
    assert.match((await client.message(`x${fits}`)).text, /^552 5\.3\.4 /);
  }
  assert.is(await mails(), before);
  await handOver(fits);
});

for (const [what, raw, from] of [
  ["two From", "From: ann@example.com\r\nFrom: eve@example.net\r\n\r\nx\r\n"],
  ["a From twice", "From: ann@example.com\r\nSubject: x\r\nfrom: ann@example.com\r\n\r\nx\r\n"],
  ["a From with nobody", "From: Ann\r\n\r\nx\r\n"],
  ["an empty From", "From:\r\n\r\nx\r\n"],
  ["a From that no mail can be sent as", 'From: "Ann Smith"@example.com\r\n\r\nx\r\n'],
  ["neither From nor envelope sender", "Subject: x\r\n\r\nx\r\n", ""],
] as const) {
  story(`a message with ${what} is refused, and nothing is kept of it`, async () => {
    const before = await mails();
    await client.begin(from ?? "ann@example.com", "bob@example.org");
    assert.match((await client.message(raw)).text, /^554 5\.6\.0 /);
    assert.is(await mails(), before);
    await handOver("From: ann@example.com\r\n\r\nx\r\n");
  });
}

story("who gets it, the envelope says alone, and each once", async () => {
  const head = "To: bob@example.org, stranger@example.net\r\nCc: Cy <cc@example.org>\r\nBcc: secret@example.net\r\n";
  const to = ["bob@example.org", "BOB@example.org", "bob@EXAMPLE.org", "cc@example.org", "dan@example.org"];
  const part = await arrived(await handOver(`${head}Subject: x\r\n\r\nx\r\n`, "ann@example.com", ...to));
  assert.equal(
    recipients(part, "to").map((address) => address.toLowerCase()),
    ["bob@example.org"],
  );
  assert.equal(addressesIn(part.headers.get("cc")), [{ address: "cc@example.org", name: "Cy" }]);
  assert.equal(recipients(part, "x-sandbox-bcc"), ["dan@example.org"]);
  assert.not.match([...part.headers.values()].join("\n"), /stranger|secret/);
});

story("a message without what it should have is taken all the same", async () => {
  const bare = await arrived(await handOver("", "printer@example.com"));
  assert.equal([bare.headers.get("from"), bare.headers.get("subject")], ["printer@example.com", "(no subject)"]);
  assert.is(bare.content.toString().trim(), "");
  const empty = await arrived(
    await handOver("From: Ann <ann@example.com>\r\nSubject:\r\n\r\nx\r\n", "", "bob@example.org"),
  );
  assert.equal(addressesIn(empty.headers.get("from")), [{ address: "ann@example.com", name: "Ann" }]);
  assert.is(empty.headers.get("subject"), "(no subject)");
  const pdf = Buffer.from("%PDF-1.7 of a scanner");
  const type = 'Content-Type: application/pdf; name="scan.pdf"\r\nContent-Transfer-Encoding: base64\r\n';
  const scan = await arrived(await handOver(`MIME-Version: 1.0\r\n${type}\r\n${pdf.toString("base64")}\r\n`));
  const files = leaves(scan).filter(({ filename }) => filename !== undefined);
  assert.equal(
    files.map(({ filename, content }) => [filename, content.toString()]),
    [["scan.pdf", pdf.toString()]],
  );
});

/** Of the function that takes mail, by how its calls ended. */
async function outcomes(): Promise<Record<string, number>> {
  const { text } = await system.call("/metrics");
  const found = text.matchAll(
    /^function_calls_total\{function="mail\/receive",trigger="smtp",outcome="(\d+)"\} (\d+)$/gm,
  );
  return Object.fromEntries([...found].map(([, code, count]) => [code, Number(count)]));
}

story("every mail is counted by its answer, and connections as long as they are open", async () => {
  const before = await outcomes();
  const open = await system.metric("smtp_connections");
  for (let count = 0; count < 3; count++) await handOver("Subject: x\r\n\r\nx\r\n");
  await client.begin();
  await client.message("From: x\r\n\r\nx\r\n");
  await client.begin();
  await client.message("x".repeat(limit + 1));
  const after = await outcomes();
  const more = (code: string) => (after[code] ?? 0) - (before[code] ?? 0);
  assert.equal([more("250"), more("554"), more("552"), more("451")], [3, 1, 1, 0]);
  const other = await dial(system.smtp.port);
  await other.hear();
  assert.is(await system.metric("smtp_connections"), open + 1);
  other.close();
  await eventually(async () => (await system.metric("smtp_connections")) === open, { what: "it is closed" });
});

story("each has a row in the log of requests: whose, from where, which mail, and how it ended", async () => {
  const body = { client_name: "Scanner", permissions: ["mail:send"] };
  const issued = (await system.call("/api/v1/auth/token", { method: "POST", body })).body;
  const over = await dial(system.smtp.tlsPort, { tls: true });
  await over.hear();
  await over.say("EHLO client.example");
  const plain = Buffer.from(`\0${String(issued["client_id"])}\0${String(issued["token"])}`).toString("base64");
  assert.is((await over.say(`AUTH PLAIN ${plain}`)).code, 235);
  await over.begin();
  const id = idIn(await over.message("Subject: x\r\n\r\nx\r\n"));
  await over.begin();
  assert.is((await over.message("From: x\r\n\r\nx\r\n")).code, 554);
  over.close();
  const other = await handOver("Subject: x\r\n\r\nx\r\n");
  const sql = `SELECT client_id AS client, client_name AS name, host(request_ip) AS ip, endpoint, mail_id, status_code AS status
    FROM api_logs WHERE method = 'SMTP' AND (client_name = 'Scanner' OR mail_id = $1) ORDER BY created_at, id`;
  const rows = await eventually(
    async () => {
      const found = await database.query(sql, [other]);
      return found.rows.length >= 3 && found.rows;
    },
    { what: "they are logged" },
  );
  const scanner = { client: issued["client_id"], name: "Scanner", ip: "127.0.0.1", endpoint: "mail/receive" };
  assert.equal(rows, [
    { ...scanner, mail_id: id, status: 250 },
    { ...scanner, mail_id: null, status: 554 },
    { ...scanner, client: "smtp-relay", name: "SMTP relay", mail_id: other, status: 250 },
  ]);
});

story("nothing of a mail is in the log, nor is anybody's address", async () => {
  const subject = "Subject: Confidential order\r\nTo: Confidential <bob@example.org>\r\n";
  await arrived(await handOver(`${subject}\r\nConfidential text\r\n`));
  await client.begin("confidential@example.com", "confidential@example.org");
  await client.message(`From: Confidential\r\n${subject}\r\nConfidential text\r\n`);
  const { stdout, stderr } = await system.output();
  assert.match(stdout, '"msg":"Mail sent successfully"');
  assert.match(stdout, '"reply":554');
  assert.not.match(stdout + stderr, /confidential|(?:ann|bob|eve|printer)@|"level":"error"/i);
});

story.run();
