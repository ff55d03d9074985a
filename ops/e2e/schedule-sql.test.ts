/** Jobs that operators add by SQL, from the row in the table to the mail at a real relay. */
import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { runFn, type Variables } from "./fn.ts";
import { inFuture, insertJob, plainJob, runsOf, scheduler, withoutClock, type Columns } from "./schedule.fixture.ts";
import { makeCertificate, type Certificate } from "./stand-ins/certificate.ts";
import { decodeWords, leaves, parseMime } from "./stand-ins/mime.ts";
import { startRelay, type RelayFault, type RelayStandIn } from "./stand-ins/smtp-relay.ts";
import { startSystem, stopAll, type System } from "./system.ts";
import { issueToken } from "./token.ts";

const story = suite("jobs by SQL");
const user = "api";
const password = "Confidential house";
const own = { smtpuser: "own@acme.example", smtppassword: "Confidential own päss" };

/** As the operators have it, to the letter. */
const sample = `
INSERT INTO public.tblschedulemail (
    progcode,
    sender,
    recipients,
    subject,
    body,
    isenabled,
    nextexecutetime,
    executionstatus
) VALUES (
    'TEST_MAILTRAP_LIVE',
    'hello@demomailtrap.co',
    'posping@gmail.com',
    '來自 Mailtrap 正式環境的測試信',
    '<h1>測試成功</h1><p>這封信是透過 Mailtrap 的 live.smtp.mailtrap.io 伺服器發送的。</p>',
    true,
    '2025-10-07 11:00:00',
    'Pending'
);`;

let certificate: Certificate;
/** That of the environment: it takes mail over TLS only, from who signs in. */
let house: RelayStandIn;
/** For jobs with a relay of their own. */
let other: RelayStandIn;
let env: Variables;
let system: System;
let database: Client;
let jobs: ReturnType<typeof scheduler>;
/** Where nobody but the clock runs anything. */
let left: { system: System; database: Client; job: number; inClear: number };

story.before(async () => {
  certificate = await makeCertificate();
  [house, other] = [await startRelay({ certificate }), await startRelay({ certificate })];
  house.passwords.set(user, password);
  other.passwords.set(own.smtpuser, own.smtppassword);
  env = {
    DATABASE_URL: await freshDatabase(),
    JWT_SECRET: randomUUID(),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    SMTP_HOST: house.host,
    SMTP_PORT: String(house.port),
    SMTP_USER: user,
    SMTP_PASSWORD: password,
    NODE_EXTRA_CA_CERTS: certificate.certFile,
    MAX_RETRY_COUNT: "2",
    FUNCTIONS: withoutClock,
  };
  const alone = { ...env, DATABASE_URL: await freshDatabase(), FUNCTIONS: "*" };
  const [one, two] = await Promise.all([startSystem({ env }), startSystem({ env: alone })]);
  system = one;
  jobs = scheduler(system);
  database = await connect(env["DATABASE_URL"]);
  const untouched = await connect(alone.DATABASE_URL);
  const [job] = await idsOf(untouched, sample);
  const inClear = await insertJob(untouched, { ...ownRelay(), nextexecutetime: inFuture });
  left = { system: two, database: untouched, job: job ?? 0, inClear };
});
story.before.each(() => house.always(undefined));
story.after(async () => {
  await stopAll();
  await Promise.all([database.end(), left.database.end(), house.close(), other.close()]);
});

async function connect(url: string | undefined): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

/** Ids of what an INSERT adds. */
async function idsOf(client: Client, sql: string): Promise<number[]> {
  const { rows } = await client.query<{ id: string }>(sql.replace(/;\s*$/, " RETURNING id"));
  return rows.map(({ id }) => Number(id));
}

const insert = (columns: Columns = {}) => insertJob(database, columns);
/** The columns of a job with a relay of its own, its password in clear. */
const ownRelay = (): Record<string, string | number> => ({ smtphost: other.host, smtpport: other.port, ...own });
/** What a relay has of a mail, known by its Message-ID. */
const arrived = (relay: RelayStandIn, mailid: string | null) =>
  relay.messages.filter(({ raw }) => raw.includes(`Message-ID: <${mailid}@`));
const reply = (step: RelayFault["step"], code: number, text?: string): RelayFault => {
  return { step, does: "reply", reply: code, ...(text !== undefined && { text }) };
};
const run = () => jobs.triggerDue();
/** What the clock does every minute, now. */
async function tick(): Promise<void> {
  const { code, stderr } = await runFn(["invoke", "schedule/run-due"], { env });
  assert.is(code, 0, stderr);
}
const isSealed = (text: unknown) => typeof text === "string" && /^v1\.[\da-f]{8}\.[\w-]+$/.test(text);
async function passwordOf(id: number, client = database): Promise<string | null | undefined> {
  const sql = "SELECT smtppassword FROM tblschedulemail WHERE id = $1";
  return (await client.query<{ smtppassword: string | null }>(sql, [id])).rows[0]?.smtppassword;
}

story("the sample of the operators arrives, its subject and HTML as they are, whichever client adds it", async () => {
  const [byPg] = await idsOf(database, sample);
  const byPsql = await promisify(execFile)("psql", [env["DATABASE_URL"] ?? "", "-v", "ON_ERROR_STOP=1", "-c", sample])
    .then(() => true)
    .catch((error: { code?: unknown }) => (error.code === "ENOENT" ? false : Promise.reject(error as Error)));
  const ids = runsOf(await run()).map(({ id }) => id);
  assert.equal(ids, byPsql ? [byPg, (byPg ?? 0) + 1] : [byPg]);
  for (const id of ids) {
    const job = await jobs.until(id, "Success");
    assert.equal([job.lasterror, job.nextexecutetime], [null, "2025-10-07T11:00:00+08:00"]);
    assert.ok(Date.now() - Date.parse(job.lastexecutetime ?? "") < 20_000, job.lastexecutetime ?? "no time");
    const [message, ...more] = arrived(house, job.mailid);
    assert.is(more.length, 0);
    assert.equal([message?.secure, message?.user], [true, user]);
    assert.equal([message?.from, message?.to], ["hello@demomailtrap.co", ["posping@gmail.com"]]);
    const root = parseMime(message?.raw ?? Buffer.alloc(0));
    assert.is(decodeWords(root.headers.get("subject") ?? ""), "來自 Mailtrap 正式環境的測試信");
    const html = leaves(root).find(({ type }) => type === "text/html");
    assert.is(
      String(html?.content).trim(),
      "<h1>測試成功</h1><p>這封信是透過 Mailtrap 的 live.smtp.mailtrap.io 伺服器發送的。</p>",
    );
  }
});

story("its mail shows in the history of an administrator with its timeline, and to nobody else", async () => {
  const id = await insert({ subject: "In the history" });
  await run();
  const { mailid } = await jobs.until(id, "Success");
  const history = await system.call("/api/v1/mail/history?limit=100");
  assert.match(history.text, `"${mailid}"`);
  const state = await system.status(mailid ?? "");
  assert.is(state.status, "sent");
  assert.equal(
    state.events.map(({ type, provider, code }) => [type, provider, code]),
    [["sent", "smtp", "smtp_250"]],
  );
  const token = await issueToken(env, ["mail:send", "mail:read", "mail:cancel"]);
  assert.is((await system.call(`/api/v1/mail/status/${mailid}`, { token })).status, 404);
  assert.not.match((await system.call("/api/v1/mail/history", { token })).text, `"${mailid}"`);
});

story("a time without an offset is meant in Taipei, for SQL as for the API", async () => {
  const id = await insert({ nextexecutetime: "2098-10-07 11:00:00" });
  const { rows } = await database.query<{ utc: string }>(
    "SELECT (nextexecutetime AT TIME ZONE 'UTC')::text AS utc FROM tblschedulemail WHERE id = $1",
    [id],
  );
  assert.is(rows[0]?.utc, "2098-10-07 03:00:00");
  const { nextexecutetime } = await jobs.add({ nextexecutetime: "2098-10-07 11:00:00" });
  assert.equal([nextexecutetime, (await jobs.read(id)).nextexecutetime], Array(2).fill("2098-10-07T11:00:00+08:00"));

  const inTaipei = (ms: number) =>
    new Date(Date.now() + ms + 8 * 3600_000).toISOString().slice(0, 19).replace("T", " ");
  const late = await insert({ nextexecutetime: inTaipei(-60_000) });
  const early = await insert({ nextexecutetime: inTaipei(3600_000) });
  const ran = runsOf(await run()).map((one) => one.id);
  assert.equal([ran.includes(late), ran.includes(early)], [true, false]);
  assert.is((await jobs.read(early)).executionstatus, "Pending");
});

story("recipients may have names, commas or semicolons; who gets a blind copy is in no header", async () => {
  const id = await insert({
    recipients: '"Doe; Jane" <jane@example.org>; bob@example.org, JANE@example.org;',
    cc: "王小明 <ming@example.org>",
    bcc: "blind@example.org;bob@example.org",
    body: "It costs 3 < 5 — plain.",
  });
  await run();
  const [message] = arrived(house, (await jobs.until(id, "Success")).mailid);
  assert.equal(message?.to, ["jane@example.org", "bob@example.org", "ming@example.org", "blind@example.org"]);
  assert.not.match(String(message?.raw), "blind@");
  const parts = leaves(parseMime(message?.raw ?? Buffer.alloc(0)));
  assert.equal(
    parts.map(({ type, content }) => [type, String(content).trim()]),
    [["text/plain", "It costs 3 < 5 — plain."]],
  );
});

story("a job's own relay comes before that of the environment, and its password is sealed before long", async () => {
  const bySql = await insert(ownRelay());
  const byApi = await jobs.add(ownRelay());
  assert.ok(isSealed(await passwordOf(byApi.id)), "by the API it is sealed at once");
  assert.is(await passwordOf(bySql), own.smtppassword);
  const before = house.messages.length;
  await run();
  for (const id of [bySql, byApi.id]) {
    const [message] = arrived(other, (await jobs.until(id, "Success")).mailid);
    assert.equal([message?.secure, message?.user], [true, own.smtpuser]);
  }
  assert.is(house.messages.length, before);

  await tick();
  assert.ok(isSealed(await passwordOf(bySql)), "the clock has sealed it");
  for (const id of [bySql, byApi.id]) {
    const first = await jobs.read(id);
    assert.is((await jobs.execute(id)).status, 200);
    const again = await jobs.until(id, "Success");
    assert.is.not(again.mailid, first.mailid);
    assert.is(arrived(other, again.mailid)[0]?.user, own.smtpuser);
  }
});

story("one that is copied keeps its password, and with the key it goes along to a new key", async () => {
  const [id] = await idsOf(
    database,
    `INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime,
                                  smtphost, smtpport, smtpuser, smtppassword)
     SELECT 'COPY', sender, recipients, subject, body, '${inFuture}', smtphost, smtpport, smtpuser, smtppassword
     FROM tblschedulemail WHERE smtppassword LIKE 'v1.%' LIMIT 1;`,
  );
  const kept = await passwordOf(id ?? 0);
  const key = randomBytes(32).toString("base64");
  const rotated = await runFn(["secrets", "rotate"], {
    env: { ...env, ENCRYPTION_KEY: `${key},${env["ENCRYPTION_KEY"]}` },
  });
  assert.is(rotated.code, 0, rotated.stderr);
  assert.is.not(await passwordOf(id ?? 0), kept);
  const failed = await jobs.execute(id ?? 0);
  assert.is(failed.status, 422, "who has the old key alone cannot open it");
  assert.match((await jobs.read(id ?? 0)).lasterror ?? "", "smtppassword cannot be opened");

  await system.stop();
  env = { ...env, ENCRYPTION_KEY: key };
  system = await startSystem({ env });
  jobs = scheduler(system);
  assert.is((await jobs.execute(id ?? 0)).status, 200);
  const { mailid, lasterror } = await jobs.until(id ?? 0, "Success");
  assert.equal([arrived(other, mailid)[0]?.user, lasterror], [own.smtpuser, null]);
});

story("TLS from the first byte is spoken where the job says so, in whatever case", async () => {
  const implicit = await startRelay({ certificate, implicit: true });
  implicit.passwords.set(own.smtpuser, own.smtppassword);
  const relay = { ...ownRelay(), smtpport: implicit.port };
  const ids = [await insert({ ...relay, smtpsecure: "TLS" }), (await jobs.add({ ...relay, smtpsecure: "tls" })).id];
  await run();
  for (const id of ids) {
    const { mailid } = await jobs.until(id, "Success");
    assert.equal([arrived(implicit, mailid)[0]?.secure, arrived(other, mailid).length], [true, 0]);
  }
  await implicit.close();
});

story("a job whose mail is refused has failed, in the relay's words", async () => {
  house.next(reply("recipient", 550, "5.1.1 no such user"));
  const id = await insert();
  await run();
  const job = await jobs.until(id, "Failed");
  assert.match(job.lasterror ?? "", /^smtp_550: .*5\.1\.1 no such user/);
  assert.is(arrived(house, job.mailid).length, 0);
  assert.is((await system.status(job.mailid ?? "")).error_message, job.lasterror);
});

story("a relay that cannot now is asked again; all that time the job is being processed, and stays alone", async () => {
  house.always(reply("recipient", 451));
  const id = await insert();
  await run();
  const { mailid } = await jobs.read(id);
  await eventually(async () => (await system.status(mailid ?? "")).retry_count === 1, {
    what: "it waits for its retry",
  });
  assert.is((await jobs.read(id)).executionstatus, "Processing");
  assert.is((await jobs.execute(id)).status, 409);
  assert.not.ok(runsOf(await run()).some((one) => one.id === id));
  house.always(undefined);
  const job = await jobs.until(id, "Success");
  assert.equal([job.mailid, job.lasterror, arrived(house, mailid).length], [mailid, null, 1]);
  assert.equal(
    (await system.status(mailid ?? "")).events.map(({ code }) => code),
    ["smtp_451", "smtp_250"],
  );
});

story("once its retries are used up it has failed; sent again by its mail, it has not", async () => {
  house.always(reply("recipient", 451, "4.7.1 later"));
  const id = await insert();
  await run();
  const { mailid, lasterror } = await jobs.until(id, "Failed", 20_000);
  assert.match(lasterror ?? "", /^smtp_451: /);
  assert.is((await system.status(mailid ?? "")).events.length, 3);

  house.always(undefined);
  assert.is((await system.call(`/api/v1/mail/retry/${mailid}`, { method: "POST" })).status, 200);
  const job = await jobs.until(id, "Success");
  assert.equal([job.mailid, job.lasterror, arrived(house, mailid).length], [mailid, null, 1]);
});

story("a job whose mail is cancelled while it waits has failed for that reason", async () => {
  house.always(reply("recipient", 451));
  const id = await insert();
  await run();
  const { mailid } = await jobs.read(id);
  const cancel = () => system.call(`/api/v1/mail/cancel/${mailid}`, { method: "DELETE" });
  await eventually(async () => (await cancel()).status === 200, { what: "it is cancelled between two attempts" });
  assert.is((await jobs.until(id, "Failed")).lasterror, "cancelled");
});

story(
  "a job that repeats goes on after success and after failure, with its next time and what went wrong",
  async () => {
    const repeating = { cronexpr: "0 9 * * *", timezone: "America/New_York" };
    house.next(reply("recipient", 550, "5.7.1 not today"));
    const id = await insert(repeating);
    await run();
    const failed = await jobs.until(id, "Pending");
    assert.match(failed.lasterror ?? "", "5.7.1 not today");
    const next = new Date(failed.nextexecutetime);
    assert.ok(
      next > new Date() && next.getTime() < Date.now() + 25 * 3600_000,
      "once for a year of days that it missed",
    );
    const nine = { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit", hour12: false } as const;
    assert.is(next.toLocaleTimeString("en-GB", nine), "09:00");
    assert.not.ok(
      runsOf(await run()).some((one) => one.id === id),
      "it is not due any more",
    );

    await database.query("UPDATE tblschedulemail SET nextexecutetime = now() WHERE id = $1", [id]);
    await run();
    await eventually(async () => (await jobs.read(id)).lasterror === null, { what: "it has been sent" });
    const sent = await jobs.until(id, "Pending");
    assert.is(sent.nextexecutetime, failed.nextexecutetime);
    assert.is(arrived(house, sent.mailid).length, 1);

    assert.is((await jobs.execute(id)).status, 200);
    const byHand = await jobs.until(id, "Pending");
    assert.equal([byHand.mailid === sent.mailid, byHand.nextexecutetime], [false, sent.nextexecutetime]);
  },
);

const wrong: [columns: Columns, error: string][] = [
  [{ sender: "nobody" }, "sender must be an e-mail address"],
  [{ sender: "Eve\r\nBcc: eve@example.org <eve@example.org>" }, "sender must not contain control characters"],
  [{ recipients: " ; ," }, "recipients must have at least one address"],
  [{ recipients: "ann@example.org; bob" }, "recipients entry 2 must be an e-mail address"],
  [{ recipients: "ann@example.org\r\nBcc: eve@example.org" }, "recipients entry 1 must not contain control characters"],
  [{ cc: "ann@localhost" }, "cc entry 1 must have a full domain name"],
  [{ bcc: "ann@" }, "bcc entry 1 must have"],
  [{ subject: "Hello\r\nBcc: eve@example.org" }, "subject must not contain control characters"],
  [{ body: "" }, "body must not be empty"],
  [{ smtphost: "relay.example\r\nQUIT" }, "smtphost must be the name or the address of a host"],
  [{ smtphost: "relay.example", smtpport: 0 }, "smtpport must be from 1 to 65535"],
  [{ smtphost: "relay.example", smtpsecure: "ssl" }, "smtpsecure must be one of starttls, tls, none"],
  [{ smtphost: "relay.example", smtppassword: "Confidential" }, "smtppassword needs an smtpuser"],
  [{ cronexpr: "61 * * * *" }, 'cronexpr has a wrong minute, "61"'],
  [{ cronexpr: "0 9 * *" }, "cronexpr must have five fields"],
  [{ cronexpr: "0 9 * * *", timezone: "Mars/Olympus" }, "timezone must be a time zone of the IANA database"],
];
story("a row that nobody can send says what is wrong with it, and holds up no other", async () => {
  const ids: number[] = [];
  for (const [columns] of wrong) ids.push(await insert(columns));
  const good = await insert({ nextexecutetime: "2026-01-01 00:00:00" });
  const answer = await run();
  assert.is(runsOf(answer).length, wrong.length + 1);
  for (const [index, [columns, error]] of wrong.entries()) {
    const job = await jobs.read(ids[index] ?? 0);
    assert.equal([job.executionstatus, job.mailid], ["Failed", null], JSON.stringify(columns));
    assert.match(job.lasterror ?? "", error);
  }
  await jobs.until(good, "Success");
});

story("one that repeats and is wrong today goes on tomorrow", async () => {
  const id = await insert({ cronexpr: "@daily", recipients: "nobody" });
  await run();
  const job = await jobs.until(id, "Pending");
  assert.match(job.lasterror ?? "", "recipients entry 1");
  assert.ok(new Date(job.nextexecutetime) > new Date());
});

story("a job that is disabled waits", async () => {
  const id = await insert({ isenabled: false });
  assert.not.ok(runsOf(await run()).some((one) => one.id === id));
  assert.is((await jobs.read(id)).executionstatus, "Pending");
});

story("a mail that is on its way arrives, though its job is deleted", async () => {
  house.always(reply("recipient", 451));
  const id = await insert();
  await run();
  const { mailid } = await jobs.read(id);
  assert.is((await jobs.remove(id)).status, 204);
  house.always(undefined);
  assert.is((await system.settled(mailid ?? "")).status, "sent");
});

story("within a minute the clock alone sends what is due, and seals what is in clear", async () => {
  const shownLeft = scheduler(left.system);
  const { mailid } = await shownLeft.until(left.job, "Success", 70_000);
  assert.is(arrived(house, mailid).length, 1);
  await eventually(async () => isSealed(await passwordOf(left.inClear, left.database)), { what: "it is sealed" });
  assert.is((await shownLeft.read(left.inClear)).executionstatus, "Pending");
});

story("no password is anywhere in clear: not in the database, a reply, or a log", async () => {
  await tick();
  const sql = `SELECT row_to_json(job)::text AS row FROM tblschedulemail AS job
    UNION ALL SELECT row_to_json(mails)::text FROM mails UNION ALL SELECT row_to_json(mail_events)::text FROM mail_events`;
  const rows = (await database.query<{ row: string }>(sql)).rows.map(({ row }) => row).join("\n");
  const list = (await jobs.list("?limit=1000")).text;
  const log = Object.values(await system.output()).join("\n") + Object.values(await left.system.output()).join("\n");
  assert.match(log, "Mail sent successfully");
  for (const [where, text] of Object.entries({ rows, list, log })) assert.not.match(text, "Confidential", where);
  for (const text of [plainJob.recipients, plainJob.body, plainJob.subject]) assert.not.match(log, text);
});

story.run();
