/** PostgreSQL, RabbitMQ and Redis go away while clients hand over mail by SMTP: they know at once what to do with it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startPostgres, startRabbit, startRedis, type Rabbit, type Server } from "../harness/services.ts";
import { dial, type Dialogue, type Reply } from "../harness/smtp-dialogue.ts";
import { startTcpRelay, type TcpRelay } from "../harness/tcp-relay.ts";
import { eventually } from "../harness/test.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("SMTP outages");
let postgres: Server;
let line: TcpRelay;
let redis: Server;
let rabbit: Rabbit;
let system: System;
const clients: Dialogue[] = [];
let started: number;

story.before(async () => {
  [postgres, redis, rabbit] = await Promise.all([startPostgres(), startRedis(), startRabbit()]);
  line = await startTcpRelay(postgres.url);
  const env = { DATABASE_URL: line.url, KEYDB_URL: redis.url, RABBITMQ_URL: rabbit.url };
  started = performance.now();
  system = await startSystem({ smtp: true, env });
});
story.before.each(async () => {
  line.thaw();
  await Promise.all([postgres, redis, rabbit].map((server) => server.start()));
});
story.after.each(() => clients.splice(0).forEach((client) => client.close()));
story.after(async () => {
  await stopAll();
  await Promise.all([postgres.close(), redis.close(), rabbit.close(), line.close()]);
});

async function meet({ tls = false, within = 5000 } = {}): Promise<Dialogue> {
  const client = await dial(tls ? system.smtp.tlsPort : system.smtp.port, { tls, within });
  clients.push(client);
  assert.is((await client.hear()).code, 220);
  await client.say("EHLO client.example");
  return client;
}

const message = (subject: string) => `Subject: ${subject}\r\n\r\nIt is on its way.\r\n`;

/** Hands a mail over as far as that goes, and returns the answer that decides. */
async function handOver(client: Dialogue, subject: string): Promise<Reply> {
  const { code, ...reply } = await client.say("MAIL FROM:<ann@example.com>");
  if (code !== 250) return { code, ...reply };
  assert.is((await client.say("RCPT TO:<bob@example.org>")).code, 250);
  assert.is((await client.say("DATA")).code, 354);
  return await client.message(message(subject));
}

/** What is said within a second. */
async function atOnce(answer: () => Promise<Reply>): Promise<string> {
  const started = performance.now();
  const { text } = await answer();
  const took = performance.now() - started;
  assert.ok(took < 1000, `answered after ${took} ms: ${text}`);
  return text;
}

interface Mail {
  id: string;
  subject: string;
  status: string;
}

/** Mails with this subject. */
async function kept(subject: string): Promise<Mail[]> {
  const { data } = (await system.call("/api/v1/mail/history?limit=100")).body as { data: Mail[] };
  return data.filter((mail) => mail.subject === subject);
}

/** Copies of the mails with this subject, once they are all sent. */
async function sent(subject: string): Promise<string[]> {
  const isSent = async () => {
    const found = await kept(subject);
    return found.length > 0 && found.every(({ status }) => status === "sent") && found;
  };
  const found = (await eventually(isSent, { what: `"${subject}" is sent`, within: 15_000 })) || [];
  return (await system.inbox()).filter((file) => found.some(({ id }) => file.startsWith(id)));
}

async function health(status: number): Promise<void> {
  const isSo = async () => (await system.call("/health", { token: null })).status === status;
  await eventually(isSo, { what: `health says ${status}`, within: 15_000 });
}

const away = /^451 4\.3\.0 /;

for (const [how, end] of [
  ["stopped", () => postgres.stop()],
  ["killed", () => postgres.kill()],
] as const) {
  story(`PostgreSQL ${how}: each client keeps its mail, wherever it was, and hands it over later, once`, async () => {
    const body = { client_name: "Printers", permissions: ["mail:send"] };
    const issued = (await system.call("/api/v1/auth/token", { method: "POST", body })).body;
    const plain = Buffer.from(`\0${String(issued["client_id"])}\0${String(issued["token"])}`).toString("base64");
    const [fresh, begun, halfway, signingIn] = [await meet(), await meet(), await meet(), await meet({ tls: true })];
    await begun.say("MAIL FROM:<ann@example.com>");
    await halfway.begin();
    halfway.send("Subject: halfway\r\n");
    await end();

    assert.match(await atOnce(() => halfway.message(message("halfway"))), away);
    await begun.say("RCPT TO:<bob@example.org>");
    assert.is((await begun.say("DATA")).code, 354);
    assert.match(await atOnce(() => begun.message(message("begun"))), away);
    assert.match(await atOnce(() => handOver(fresh, "fresh")), away);
    assert.match(await atOnce(() => fresh.say("MAIL FROM:<ann@example.com>")), away);
    assert.match(await atOnce(() => signingIn.say(`AUTH PLAIN ${plain}`)), /^454 4\.7\.0 /);
    const newcomer = await meet();
    assert.match(await atOnce(() => newcomer.say("MAIL FROM:<ann@example.com>")), away);

    await postgres.start();
    const all = { fresh, begun, halfway, newcomer };
    for (const [name, client] of Object.entries(all)) {
      const subject = `${name}, ${how}`;
      const isTaken = async () => (await handOver(client, subject)).code === 250;
      await eventually(isTaken, { what: `${name} is taken`, within: 5000 });
      assert.is((await sent(subject)).length, 1);
    }
    const signsIn = async () => (await signingIn.say(`AUTH PLAIN ${plain}`)).code === 235;
    await eventually(signsIn, { what: "it is let in" });
    assert.is((await handOver(signingIn, `signed in, ${how}`)).code, 250);
    for (const subject of ["halfway", "begun", "fresh"]) assert.equal(await kept(subject), []);
    await health(200);
  });
}

story(
  "PostgreSQL gone between two messages of a session: the one before is kept, the one after is not lost",
  async () => {
    const client = await meet();
    assert.is((await handOver(client, "before")).code, 250);
    await postgres.kill();
    assert.match(await atOnce(() => handOver(client, "after")), away);
    await postgres.start();
    const isTaken = async () => (await handOver(client, "after")).code === 250;
    await eventually(isTaken, { what: "it is taken", within: 5000 });
    for (const subject of ["before", "after"]) assert.is((await sent(subject)).length, 1);
    await health(200);
  },
);

story("the line to PostgreSQL silent: there is an answer all the same, and mail again afterwards", async () => {
  const client = await meet({ within: 20_000 });
  await client.begin();
  line.freeze();
  assert.match((await client.message(message("silent"))).text, away);
  assert.match(await atOnce(() => handOver(client, "silent")), away);
  line.thaw();
  const isTaken = async () => (await handOver(client, "heard")).code === 250;
  await eventually(isTaken, { what: "it is taken", within: 10_000 });
  assert.is((await sent("heard")).length, 1);
  await health(200);
});

for (const [name, server] of [
  ["RabbitMQ", () => rabbit],
  ["Redis", () => redis],
] as const) {
  story(`${name} away: mail is taken as ever, and sent`, async () => {
    await server().stop();
    await health(503);
    const subjects = Array.from({ length: 10 }, (_, n) => `${name} ${n}`);
    const client = await meet();
    for (const subject of subjects) assert.match(await atOnce(() => handOver(client, subject)), /^250 2\.6\.0 /);
    await server().start();
    await health(200);
    for (const subject of subjects) assert.is((await sent(subject)).length, 1);
  });
}

story("an operator reads of an outage, and not of each mail that has to wait for its end", async () => {
  const minutes = 1 + Math.ceil((performance.now() - started) / 60_000);
  const client = await meet();
  await postgres.stop();
  for (let count = 0; count < 100; count++) {
    assert.match((await client.say("MAIL FROM:<ann@example.com>")).text, away);
  }
  const { stdout } = await system.output();
  const lines = stdout.split("\n").filter((one) => one.includes('"function":"mail/receive"'));
  const told = lines.filter((one) => one.includes('"level":"warn"'));
  assert.ok(told.length > 0 && told.length <= minutes, `${told.length} lines in ${minutes} minutes`);
  for (const one of told) assert.match(one, /"code":"service_unavailable".*"msg":"mail is put off/);
  assert.not.match(lines.join("\n"), /"level":"error"|"stack"/);
});

story.run();
