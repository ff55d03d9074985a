/** Mail by SMTP that is refused for what the house allows: whose domain, by which provider, as which sender, how much. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue } from "../harness/smtp-dialogue.ts";
import { freshDatabase } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("refusals by SMTP");
let database: Client;
/** Takes mail from some domains; the organisation's leaves by Graph. Delivers nothing. */
let open: System;
/** In production, without any provider. */
let bare: System;
/** Takes a few mails an hour. */
let limited: System;
const clients: Dialogue[] = [];

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  const env = {
    DATABASE_URL: url,
    JWT_SECRET: randomUUID(),
    ORG_EMAIL_DOMAIN: "corp.example",
    FUNCTIONS: "health,mail/receive,mail/status,auth/*",
  };
  const microsoft = {
    MICROSOFT_TENANT_ID: randomUUID(),
    MICROSOFT_CLIENT_ID: randomUUID(),
    MICROSOFT_CLIENT_SECRET: "x",
  };
  const limits = { RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "5", RATE_LIMIT_RECIPIENT_PER_HOUR: "3", MAIL_SENDER: "sandbox" };
  open = await startSystem({
    smtp: true,
    env: { ...env, ...microsoft, SMTP_ALLOWED_DOMAINS: "Corp.Example, acme.example" },
  });
  const { token } = open;
  [bare, limited] = await Promise.all([
    startSystem({ smtp: true, token, env: { ...env, APP_ENV: "production" } }),
    startSystem({ smtp: true, token, env: { ...env, ...limits } }),
  ]);
});
story.after.each(() => clients.splice(0).forEach((client) => client.close()));
story.after(async () => {
  await stopAll();
  await database.end();
});

interface Issued {
  id: string;
  token: string;
}

async function issue(): Promise<Issued> {
  const body = { client_name: "Printers", permissions: ["mail:send"] };
  const answer = await open.call("/api/v1/auth/token", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
  return { id: String(answer.body["client_id"]), token: String(answer.body["token"]) };
}

/** A client that has greeted, and signed in when it is one of ours. */
async function meet(system: System, issued?: Issued): Promise<Dialogue> {
  const client = await dial(issued ? system.smtp.tlsPort : system.smtp.port, { tls: issued !== undefined });
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  await client.say("EHLO client.example");
  if (issued) {
    const plain = Buffer.from(`\0${issued.id}\0${issued.token}`).toString("base64");
    assert.is((await client.say(`AUTH PLAIN ${plain}`)).code, 235);
  }
  return client;
}

interface Letter {
  /** Of the envelope. */
  sender?: string;
  from?: string;
  to?: string[];
}

/** The answer to a mail: to its sender when that is refused, else to its message. */
async function send(
  client: Dialogue,
  { sender = "ann@acme.example", from, to = [someone()] }: Letter,
): Promise<string> {
  const { code, text } = await client.say(`MAIL FROM:<${sender}>`);
  if (code !== 250) return text;
  for (const address of to) assert.is((await client.say(`RCPT TO:<${address}>`)).code, 250);
  assert.is((await client.say("DATA")).code, 354);
  const head = from === undefined ? "" : `From: ${from}\r\n`;
  return (await client.message(`${head}Subject: x\r\n\r\nx\r\n`)).text;
}

let people = 0;
const someone = () => `guest${++people}@example.org`;

/** Mails that there are. */
async function mails(): Promise<number> {
  const { rows } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM mails");
  return rows[0]?.count ?? 0;
}

async function assertRefused(client: Dialogue, letter: Letter, answer: RegExp): Promise<void> {
  const before = await mails();
  const text = await send(client, letter);
  assert.match(text, answer, JSON.stringify(letter));
  assert.is(await mails(), before);
  assert.is((await client.say("RSET")).code, 250);
}

async function assertTaken(client: Dialogue, letter: Letter): Promise<void> {
  const before = await mails();
  assert.match(await send(client, letter), /^250 2\.6\.0 /, JSON.stringify(letter));
  assert.is(await mails(), before + 1);
}

story(
  "an envelope from a domain that is not allowed is refused at MAIL FROM; a subdomain is another domain",
  async () => {
    const client = await meet(open);
    for (const sender of [
      "ann@example.com",
      "ann@sub.acme.example",
      "ann@acme.example.com",
      "ann@notacme.example",
      "ann@example",
    ]) {
      await assertRefused(client, { sender }, sender === "ann@example" ? /^553 5\.1\.7 / : /^550 5\.7\.1 /);
      assert.match((await client.say("RCPT TO:<bob@example.org>")).text, /^503 5\.5\.1 /);
    }
    for (const sender of ["ann@acme.example", "ann@ACME.example", "ann@corp.example"])
      await assertTaken(client, { sender });
  },
);

story("so is a message From there, at its end, whatever its envelope says", async () => {
  const client = await meet(open);
  for (const from of [
    "ann@example.com",
    "Ann <ann@sub.acme.example>",
    '"ann@acme.example" <ann@example.com>',
    "ann@example.com, ann@acme.example",
  ]) {
    for (const sender of ["ann@acme.example", ""]) await assertRefused(client, { sender, from }, /^550 5\.7\.1 /);
  }
  for (const sender of ["ann@corp.example", ""]) await assertTaken(client, { sender, from: "Ann <ann@Acme.Example>" });
  await assertRefused(client, { sender: "" }, /^554 5\.6\.0 /);
});

story("a client that has signed in may send from these domains only, too", async () => {
  const client = await meet(open, await issue());
  await assertRefused(client, { sender: "ann@example.com" }, /^550 5\.7\.1 /);
  await assertRefused(client, { from: "ann@example.com" }, /^550 5\.7\.1 /);
  await assertTaken(client, {});
});

story("in production, what no provider takes is refused before it is taken", async () => {
  const client = await meet(bare);
  for (const domain of ["corp.example", "CORP.example", "sub.corp.example", "acme.example"]) {
    await assertRefused(client, { sender: `ann@${domain}` }, /^550 5\.7\.1 /);
  }
  assert.match(await send(client, { from: "ann@corp.example" }), /Microsoft Graph is not configured/);
  assert.match(await send(client, { from: "ann@acme.example" }), /SendGrid is not configured/);
});

story("a sender that is kept to some clients is refused to all others", async () => {
  const [listed, other] = [await issue(), await issue()];
  const ids = { ms_tenant_id: randomUUID(), ms_client_id: randomUUID(), ms_client_secret: "x" };
  const body = { sender_email: "boss@corp.example", ...ids, client_ids: [listed.id] };
  const answer = await open.call("/api/v1/auth/sender-config", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
  for (const client of [await meet(open), await meet(open, other)]) {
    for (const from of ["boss@corp.example", "The Boss <BOSS@Corp.Example>"]) {
      await assertRefused(client, { sender: "ann@corp.example", from }, /^550 5\.7\.1 /);
    }
    await assertRefused(client, { sender: "boss@corp.example" }, /^550 5\.7\.1 /);
    await assertTaken(client, { sender: "boss@corp.example", from: "ann@corp.example" });
  }
  await assertTaken(await meet(open, listed), { from: "boss@corp.example" });
});

story("a client that has handed over its mails of an hour is put off, and no other", async () => {
  for (const issued of [await issue(), undefined]) {
    const client = await meet(limited, issued);
    for (let count = 0; count < 5; count++) await assertTaken(client, {});
    for (let count = 0; count < 2; count++) await assertRefused(client, {}, /^452 4\.7\.1 /);
    await assertRefused(await meet(limited, issued), {}, /^452 4\.7\.1 /);
  }
  await assertTaken(await meet(limited, await issue()), {});
});

story("so is mail for somebody who has got his of an hour, with all who were to get it with him", async () => {
  const [bob, ann] = [someone(), someone()];
  for (const to of [[bob], [bob.toUpperCase(), bob], [ann, bob]]) {
    await assertTaken(await meet(limited, await issue()), { to });
  }
  const client = await meet(limited, await issue());
  for (const to of [[bob], [someone(), bob], [bob.toUpperCase()]]) {
    const before = await mails();
    const text = await send(client, { to });
    assert.match(text, /^452 4\.7\.1 /);
    assert.not.match(text, "@");
    assert.is(await mails(), before);
  }
  // What was refused has used up nothing: neither of the client's mails, nor of the others'.
  for (let count = 0; count < 2; count++) await assertTaken(client, { to: [ann] });
  await assertRefused(client, { to: [ann] }, /^452 4\.7\.1 /);
  for (let count = 0; count < 3; count++) await assertTaken(client, {});
  await assertRefused(client, {}, /^452 4\.7\.1 /);
});

story.run();
