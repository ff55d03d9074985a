/** Who may hand over mail by SMTP: with which token, over which line, from where, and for how long. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dial, type Dialogue, type Reply } from "../harness/smtp-dialogue.ts";
import { eventually, freshDatabase } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("signing in by SMTP");
let database: Client;
/** Knows no network. */
let system: System;
/** Lets nobody in without a token, and takes it without TLS. */
let required: System;
const clients: Dialogue[] = [];

story.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  const env = { DATABASE_URL: url, JWT_SECRET: randomUUID() };
  system = await startSystem({ smtp: true, env: { ...env, SMTP_ALLOWED_NETWORKS: "none" } });
  const open = { SMTP_AUTH_REQUIRED: "true", SMTP_AUTH_WITHOUT_TLS: "true" };
  required = await startSystem({ smtp: true, env: { ...env, ...open }, token: system.token });
});
story.after.each(() => clients.splice(0).forEach((client) => client.close()));
story.after(async () => {
  await stopAll();
  await database.end();
});

type Way = "plain" | "starttls" | "tls";

/** A client that has greeted. */
async function meet(way: Way, at = system): Promise<Dialogue> {
  const client = await dial(way === "tls" ? at.smtp.tlsPort : at.smtp.port, { tls: way === "tls" });
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  await client.say("EHLO client.example");
  if (way !== "starttls") return client;
  assert.is((await client.say("STARTTLS")).code, 220);
  await client.secure();
  await client.say("EHLO client.example");
  return client;
}

interface Issued {
  id: string;
  token: string;
}

async function issue(...permissions: string[]): Promise<Issued> {
  const body = { client_name: "Printers", permissions };
  const answer = await system.call("/api/v1/auth/token", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
  return { id: String(answer.body["client_id"]), token: String(answer.body["token"]) };
}

const revoke = ({ id }: Issued) => system.call(`/api/v1/auth/token/${id}`, { method: "DELETE" });

const base64 = (text: string) => Buffer.from(text).toString("base64");
const plain = ({ id, token }: Issued) => `AUTH PLAIN ${base64(`\0${id}\0${token}`)}`;

/** Every way to say who one is. */
const signIns: Record<string, (issued: Issued) => string[]> = {
  "PLAIN at once": (issued) => [plain(issued)],
  "PLAIN when asked": ({ id, token }) => ["AUTH PLAIN", base64(`\0${id}\0${token}`)],
  "LOGIN with a name": ({ id, token }) => [`AUTH LOGIN ${base64(id)}`, base64(token)],
  "LOGIN when asked": ({ id, token }) => ["auth login", base64(id), base64(token)],
};

async function sayAll(client: Dialogue, lines: readonly string[]): Promise<Reply> {
  for (const line of lines.slice(0, -1)) assert.is((await client.say(line)).code, 334);
  return await client.say(lines.at(-1) ?? "");
}

/** Hands a mail over, and returns its id. */
async function handOver(client: Dialogue): Promise<string> {
  assert.is((await client.begin()).code, 354);
  const { text } = await client.message("Subject: Confidential\r\n\r\nConfidential\r\n");
  const [, id = ""] = /^250 2\.6\.0 Ok: queued as ([\da-f-]{36})\r\n$/.exec(text) ?? [];
  assert.ok(id, text);
  return id;
}

async function mails(): Promise<number> {
  const { rows } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM mails");
  return rows[0]?.count ?? 0;
}

const mailFrom = "MAIL FROM:<ann@example.com>";
const failed = (at = system) => at.metric("smtp_sign_ins_failed_total");

for (const way of ["plain", "starttls", "tls"] as const) {
  story(`a stranger is told to sign in, ${way}`, async () => {
    const client = await meet(way);
    assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /);
    assert.match((await client.say("RCPT TO:<bob@example.org>")).text, /^503 5\.5\.1 /);
    assert.match((await client.say("DATA")).text, /^503 5\.5\.1 /);
    assert.is((await client.say("NOOP")).code, 250);
  });
}

story("a stranger that talks before it is greeted is sent away", async () => {
  const client = await dial(system.smtp.port);
  clients.push(client);
  client.send("EHLO eve.example\r\nMAIL FROM:<eve@example.net>\r\n");
  assert.is((await client.hear()).code, 421);
  await client.ended();
});

story("without TLS nobody can sign in, and whoever tries has said it in vain", async () => {
  const printer = await issue("mail:send");
  const client = await meet("plain");
  const { lines } = await client.say("EHLO client.example");
  assert.not.ok(lines.some((line) => line.startsWith("AUTH")));
  for (const line of [plain(printer), "AUTH PLAIN", "AUTH LOGIN", `AUTH LOGIN ${base64(printer.id)}`, "AUTH NTLM"]) {
    assert.match((await client.say(line)).text, /^538 5\.7\.\d+ /, line);
    assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /);
  }
});

for (const [how, lines] of Object.entries(signIns)) {
  for (const way of ["starttls", "tls"] as const) {
    story(`with its token a client is let in by ${how}, ${way}, and the mail is its own`, async () => {
      const printer = await issue("mail:send");
      const client = await meet(way);
      assert.is((await sayAll(client, lines(printer))).text, "235 2.7.0 Authentication successful\r\n");
      const id = await handOver(client);
      const { rows } = await database.query("SELECT client_id, client_name, source FROM mails WHERE id = $1", [id]);
      assert.equal(rows, [{ client_id: printer.id, client_name: "Printers", source: "smtp" }]);
      await client.say("RSET");
      await handOver(client);
    });
  }
}

story("a mail can be looked up the moment that it is answered, by its client and by no other", async () => {
  const [reader, other, sender] = [
    await issue("mail:send", "mail:read"),
    await issue("mail:read"),
    await issue("mail:send"),
  ];
  const look = async (id: string, token: string) => (await system.call(`/api/v1/mail/status/${id}`, { token })).status;
  const client = await meet("tls");
  await client.say(plain(reader));
  for (let count = 0; count < 20; count++) assert.is(await look(await handOver(client), reader.token), 200);
  const id = await handOver(client);
  const asked = [other.token, sender.token, system.token].map((token) => look(id, token));
  assert.equal(await Promise.all(asked), [404, 403, 200]);
});

story("a wrong token, another's, a revoked one, or one that may not send: none lets in, and each counts", async () => {
  const [printer, other, reader, gone] = [
    await issue("mail:send"),
    await issue("mail:send"),
    await issue("mail:read"),
    await issue("mail:send"),
  ];
  await revoke(gone);
  const wrong: Record<string, Issued> = {
    "a token cut short": { ...printer, token: printer.token.slice(0, -3) },
    "a token that another key has signed": { ...printer, token: `${printer.token.slice(0, -6)}AAAAAA` },
    "no token": { ...printer, token: "" },
    "the token of another": { ...printer, token: other.token },
    "the name of another": { ...other, token: printer.token },
    "no name": { ...printer, id: "" },
    "a token that may only read": reader,
    "a revoked token": gone,
  };
  const before = await failed();
  for (const [what, issued] of Object.entries(wrong)) {
    const client = await meet("tls");
    assert.match((await client.say(plain(issued))).text, /^535 5\.7\.8 /, what);
    assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /, what);
    assert.is((await client.say(plain(printer))).code, 235, "it may try again");
  }
  assert.is((await failed()) - before, Object.keys(wrong).length);
});

story("after three failures the connection ends, even with the right token", async () => {
  const printer = await issue("mail:send");
  const client = await meet("tls");
  for (const lines of Object.values(signIns).slice(0, 3)) {
    assert.match((await sayAll(client, lines({ ...printer, token: "wrong" }))).text, /^535 5\.7\.8 /);
  }
  assert.match((await client.say(plain(printer))).text, /^421 4\.7\.0 /);
  await client.ended();
});

story("rubbish is a failure like any other, and who guesses with it ends as well", async () => {
  const printer = await issue("mail:send");
  const client = await meet("tls");
  const before = await failed();
  for (const line of ["AUTH PLAIN !!!!", `AUTH PLAIN ${base64("one")}`, "AUTH LOGIN ===="]) {
    assert.match((await client.say(line)).text, /^501 5\.5\.4 /, line);
  }
  assert.is((await failed()) - before, 3);
  assert.match((await client.say(plain(printer))).text, /^421 4\.7\.0 /);
  await client.ended();
});

story("who one is does not change within a session", async () => {
  const [printer, other] = [await issue("mail:send"), await issue("mail:send")];
  const client = await meet("tls");
  await client.say(plain(printer));
  for (const line of [plain(other), plain(printer), "AUTH LOGIN"]) {
    assert.match((await client.say(line)).text, /^503 5\.5\.1 /);
  }
  assert.not.match((await client.say("EHLO client.example")).text, "AUTH");
  const id = await handOver(client);
  const { rows } = await database.query("SELECT client_id FROM mails WHERE id = $1", [id]);
  assert.equal(rows, [{ client_id: printer.id }]);
});

story("rubbish is answered, a try can be given up, and neither lets in", async () => {
  const printer = await issue("mail:send");
  const rubbish = [
    "!!!!",
    "AAAA",
    "=",
    base64("\0\0\0\0"),
    base64("one"),
    `${base64("a\0b\0c")} more`,
    base64("\0a\r\nb\0c"),
  ];
  for (const line of [
    ...rubbish.map((text) => `AUTH PLAIN ${text}`),
    "AUTH LOGIN ====",
    "AUTH",
    "AUTH CRAM-MD5",
    "AUTH XOAUTH2 AAAA",
  ]) {
    const client = await meet("tls");
    assert.match((await client.say(line)).text, /^50[14] 5\.5\.4 /, line);
    assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /, line);
  }
  const client = await meet("tls");
  for (const lines of [["AUTH PLAIN"], ["AUTH LOGIN"], [`AUTH LOGIN ${base64(printer.id)}`]]) {
    for (const line of lines) assert.is((await client.say(line)).code, 334);
    assert.match((await client.say("*")).text, /^501 5\.5\.4 /);
    assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /);
  }
  assert.is((await client.say(plain(printer))).code, 235);
});

for (const [where, at] of [
  ["this process", () => system],
  ["another", () => required],
] as const) {
  story(`a token that is revoked in the middle of a session in ${where} sends no mail a second later`, async () => {
    const printer = await issue("mail:send");
    const client = await meet("tls", at());
    await client.say(plain(printer));
    await handOver(client);
    assert.is((await revoke(printer)).status, 200);
    const refused = async () => {
      const { code, text } = await client.say(mailFrom);
      if (code === 250) await client.say("RSET");
      return code === 250 ? undefined : text;
    };
    const text = await eventually(refused, { what: "its next mail is refused", within: 1000 });
    assert.match(String(text), /^530 5\.7\.0 /);
    const before = await mails();
    assert.is((await client.begin()).code, 503);
    assert.is(await mails(), before);
  });
}

story("where everybody has to sign in, this machine does as well", async () => {
  const client = await meet("plain", required);
  assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /);
  const over = await meet("tls", required);
  assert.match((await over.say(mailFrom)).text, /^530 5\.7\.0 /);
  await over.say(plain(await issue("mail:send")));
  await handOver(over);
});

story("where that is allowed, a client signs in without TLS, and again after it", async () => {
  const printer = await issue("mail:send");
  const client = await meet("plain", required);
  assert.ok((await client.say("EHLO client.example")).lines.includes("AUTH PLAIN LOGIN"));
  assert.is((await client.say(plain(printer))).code, 235);
  await handOver(client);
  assert.is((await client.say("STARTTLS")).code, 220);
  await client.secure();
  await client.say("EHLO client.example");
  assert.match((await client.say(mailFrom)).text, /^530 5\.7\.0 /);
  assert.is((await client.say(plain(printer))).code, 235);
  await handOver(client);
});

story("the log tells that somebody was refused; no token, no address and nothing of a mail is in it", async () => {
  const secret = await issue("mail:send");
  const client = await meet("tls");
  await client.say(plain(secret));
  await handOver(client);
  for (const one of [system, required]) {
    const { stdout, stderr } = await one.output();
    assert.match(stdout, '"msg":"refused"');
    assert.not.match(stdout + stderr, /Confidential|eyJ|(?:ann|bob|eve)@/);
    assert.not.ok((stdout + stderr).includes(secret.token));
  }
});

story.run();
