/** A mail by SMTP that is only half there: its client goes, or the system does. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { eventually, freshDatabase } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("half a mail by SMTP");
let database: Client;
let system: System;
const clients: Dialogue[] = [];

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  system = await startSystem({ smtp: true, env: { DATABASE_URL: url } });
});
story.after.each(() => clients.splice(0).forEach((client) => client.close()));
story.after(async () => {
  await stopAll();
  await database.end();
});

async function meet(): Promise<Dialogue> {
  const client = await dial(system.smtp.port);
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  return client;
}

const head = (subject: string) =>
  `Subject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n`;
const text = "--b\r\n\r\nSee the file.\r\n--b\r\n";
const file = "Content-Type: application/pdf; name=scan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n";
const content = Buffer.alloc(5 * 2 ** 20, "%PDF-1.7")
  .toString("base64")
  .replaceAll(/.{76}/g, "$&\r\n");
const last = "\r\n--b--";

async function subjects(): Promise<string[]> {
  const { rows } = await database.query<{ subject: string }>("SELECT subject FROM mails ORDER BY created_at");
  return rows.map(({ subject }) => subject);
}

/** All files of attachments, also those that are still coming in. */
async function files(): Promise<string[]> {
  const entries = await readdir(join(system.dataDir, "attachments"), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function inProgress(): Promise<string | undefined> {
  const { text: metrics } = await system.call("/metrics");
  return /function_calls_in_progress\{function="mail\/receive"[^}]*\} (\d+)/.exec(metrics)?.[1];
}

const messages: Record<string, string> = {
  "before its first byte": "",
  "in its headers": "Subject: half",
  "in a small message": `${head("half")}${text}`,
  "at the last line end of one": `${head("half")}${text}\r\n--b--\r\n`,
  "one byte before the end of one": `${head("half")}${text}\r\n--b--\r\n.\r`,
  "in a file of 5 MB": `${head("half")}${text}${file}${content}`,
};
const ways: Record<string, (client: Dialogue) => void> = {
  "hangs up": (client) => client.socket.end(),
  "is cut off": (client) => client.socket.resetAndDestroy(),
};
for (const [where, half] of Object.entries(messages)) {
  for (const [how, go] of Object.entries(ways)) {
    story(`a client that ${how} ${where} leaves nothing behind`, async () => {
      const [rows, kept] = [await subjects(), await files()];
      const client = await meet();
      await client.begin();
      client.send(half);
      await eventually(async () => (await inProgress()) === "1", { what: "it is being taken" });
      if (half.length > 2 ** 20) {
        await eventually(async () => (await files()).some((name) => name.includes(".incoming")), {
          what: "a part of it is on disk",
        });
      }
      go(client);
      await client.ended();
      await eventually(async () => (await inProgress()) === "0", { what: "it is over" });
      assert.equal([await subjects(), await files()], [rows, kept]);
    });
  }
}

story("a client that goes once all is said has handed it over", async () => {
  const client = await meet();
  await client.begin();
  client.socket.end(`${head("said")}${text}${last}\r\n.\r\n`);
  await eventually(async () => (await subjects()).includes("said"), { what: "it is kept" });
  await client.ended();
  assert.is((await subjects()).filter((subject) => subject === "said").length, 1);
});

story("kill -9 in the middle of a mail: what was answered is there, and nothing of what was not", async () => {
  const client = await meet();
  await client.begin();
  assert.is((await client.message(`${head("answered")}${text}${file}${content}${last}`)).code, 250);
  await client.begin();
  client.send(`${head("half")}${text}${file}${content}`);
  await eventually(async () => (await inProgress()) === "1", { what: "it is being taken" });
  await system.kill();
  await client.ended();
  await system.start();
  const all = await subjects();
  assert.equal([all.includes("answered"), all.includes("half")], [true, false]);
  const again = await meet();
  await again.begin();
  assert.is((await again.message(`${head("half")}${text}${file}${content}${last}`)).code, 250);
  assert.is((await subjects()).filter((subject) => subject === "half").length, 1);
});

story("SIGTERM: who hands over a mail gets his 250, everybody else goes at once, and it ends well", async () => {
  const [idle, greeted, begun, small, large] = [await meet(), await meet(), await meet(), await meet(), await meet()];
  await greeted.say("EHLO client.example");
  await begun.say("EHLO client.example");
  await begun.say("MAIL FROM:<ann@example.com>");
  await small.begin();
  small.send(head("small"));
  await large.begin();
  large.send(`${head("large")}${text}${file}${content.slice(0, 2 ** 20)}`);
  const [beginning, upgrading] = [await dial(system.smtp.tlsPort), await meet()];
  clients.push(beginning);
  await upgrading.say("EHLO client.example");
  await upgrading.say("STARTTLS");

  const stopped = system.stop();
  const started = performance.now();
  for (const client of [idle, greeted]) {
    assert.match((await client.hear()).text, /^421 4\.3\.2 /);
    await client.ended();
  }
  // In the middle of a TLS handshake nothing can be said.
  await Promise.all([beginning.ended(), upgrading.ended()]);
  const took = performance.now() - started;
  assert.ok(took < 1000, `they went after ${took} ms`);
  const refused = () => dial(system.smtp.port).then((client) => client.hear());
  assert.match(String(await refused().catch((error: unknown) => error)), "Error");

  await begun.say("RCPT TO:<bob@example.org>");
  await begun.say("DATA");
  const ends = [
    [begun, `${head("begun")}${text}${last}`],
    [small, `${text}${last}`],
    [large, `${content.slice(2 ** 20)}${last}`],
  ] as const;
  for (const [client, end] of ends) {
    assert.match((await client.message(end)).text, /^250 2\.6\.0 /);
    assert.match((await client.hear()).text, /^421 4\.3\.2 /);
    await client.ended();
  }
  assert.equal(await stopped, { code: 0, signal: null });
  assert.equal((await subjects()).slice(-3), ["begun", "small", "large"]);

  await system.start();
  const sql = "SELECT id FROM mails WHERE subject IN ('begun', 'small', 'large')";
  const { rows } = await database.query<{ id: string }>(sql);
  for (const { id } of rows) {
    assert.is((await system.settled(id)).status, "sent");
    assert.is((await system.inbox()).filter((name) => name.startsWith(id)).length, 1);
  }
});

story("nothing of all this was a fault of ours", async () => {
  assert.not.match((await system.output()).stdout, /"level":"error"/);
});

story.run();
