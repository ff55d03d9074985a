/** The API of scheduled mail, as its clients know it: what it does, what it refuses, and in which words. */
import { randomBytes, randomUUID } from "node:crypto";
import { Client } from "pg";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import type { Variables } from "./fn.ts";
import {
  inFuture,
  insertJob,
  plainJob,
  runOf,
  runsOf,
  scheduler,
  shown,
  shownList,
  withoutClock,
} from "./schedule.fixture.ts";
import { startRelay, type RelayStandIn } from "./stand-ins/smtp-relay.ts";
import { startSystem, stopAll, type Answer, type System } from "./system.ts";
import { issueToken } from "./token.ts";

const story = suite("API of scheduled mail");

let relay: RelayStandIn;
let env: Variables;
let system: System;
let database: Client;
let jobs: ReturnType<typeof scheduler>;

story.before(async () => {
  relay = await startRelay({ open: true });
  env = {
    DATABASE_URL: await freshDatabase(),
    JWT_SECRET: randomUUID(),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    SMTP_HOST: relay.host,
    SMTP_PORT: String(relay.port),
    SMTP_SECURE: "none",
    FUNCTIONS: withoutClock,
  };
  system = await startSystem({ env });
  jobs = scheduler(system);
  database = new Client({ connectionString: env["DATABASE_URL"] });
  await database.connect();
});
story.before.each(() => relay.always(undefined));
story.after(async () => {
  await stopAll();
  await Promise.all([database.end(), relay.close()]);
});

/** From now on the relay cannot: jobs that run stay in processing. */
const holdUp = () => relay.always({ step: "recipient", does: "reply", reply: 451 });
const mailsTo = (recipient: string) => relay.messages.filter(({ to }) => to.includes(recipient)).length;

const Sentence = Type.Object({ detail: Type.String() }, { additionalProperties: false });
const Faults = Type.Object(
  {
    detail: Type.Array(
      Type.Object(
        { loc: Type.Array(Type.Union([Type.String(), Type.Integer()])), msg: Type.String(), type: Type.String() },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** The one sentence of a problem. */
function sentence(answer: Answer, status: number): string {
  assert.is(answer.status, status, answer.text);
  assert.is(answer.headers.get("content-type"), "application/json; charset=utf-8");
  return Value.Parse(Sentence, JSON.parse(answer.text)).detail;
}

/** The faults of a request: `body.sender: sender must be …` */
function faults(answer: Answer): string[] {
  assert.is(answer.status, 422, answer.text);
  assert.is(answer.headers.get("content-type"), "application/json; charset=utf-8");
  return Value.Parse(Faults, JSON.parse(answer.text)).detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`);
}

story("a job is made, shown, changed and deleted", async () => {
  const created = await jobs.create({ nextexecutetime: inFuture });
  assert.is(created.status, 201, created.text);
  const job = shown(created);
  assert.equal(job, {
    ...plainJob,
    id: job.id,
    isenabled: true,
    nextexecutetime: "2099-01-01T09:00:00+08:00",
    executionstatus: "Pending",
    ...nothingElse,
    createdat: job.createdat,
    updatedat: job.createdat,
  });
  assert.match(job.createdat, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+08:00$/);
  assert.ok(Math.abs(Date.parse(job.createdat) - Date.now()) < 10_000);
  assert.equal(await jobs.read(job.id), job);

  const changed = shown(await jobs.put(job.id, { subject: "Another", cc: "copy@example.org" }));
  const { updatedat } = changed;
  assert.equal(changed, { ...job, subject: "Another", cc: "copy@example.org", updatedat });
  assert.ok(updatedat > job.updatedat);
  assert.equal(await jobs.read(job.id), changed, "nothing else has changed");

  const removed = await jobs.remove(job.id);
  assert.equal([removed.status, removed.text], [204, ""]);
  for (const answer of [await jobs.get(job.id), await jobs.remove(job.id), await jobs.put(job.id, {})]) {
    assert.is(sentence(answer, 404), "No job has this id");
  }
});
const nothingElse = {
  cc: null,
  bcc: null,
  smtphost: null,
  smtpport: null,
  smtpuser: null,
  smtpsecure: null,
  cronexpr: null,
  timezone: null,
  lastexecutetime: null,
  lasterror: null,
  mailid: null,
};

story("a change of nothing is none, and null empties what may be empty", async () => {
  const job = await jobs.add({ nextexecutetime: inFuture, cc: "copy@example.org", smtphost: "relay.example" });
  const same = shown(await jobs.put(job.id, {}));
  assert.equal({ ...same, updatedat: job.updatedat }, job);
  const emptied = shown(await jobs.put(job.id, { cc: null, smtphost: null }));
  assert.equal({ ...emptied, updatedat: job.updatedat }, { ...job, cc: null, smtphost: null });
  assert.equal(faults(await jobs.put(job.id, { subject: null })), ["body.subject: subject must be string"]);
});

story("a job of an operator with a fault can be mended, one column after the other", async () => {
  const id = await insertJob(database, { recipients: "nobody", sender: "nobody", nextexecutetime: inFuture });
  assert.is((await jobs.put(id, { progcode: "OTHER" })).status, 200);
  assert.is((await jobs.put(id, { sender: "hello@example.com" })).status, 200);
  assert.match(
    faults(await jobs.put(id, { recipients: "still nobody" }))[0] ?? "",
    "body.recipients: recipients entry 1",
  );
  assert.is((await jobs.put(id, { recipients: "somebody@example.org" })).status, 200);
});

const times: [given: string, shown: string][] = [
  ["2098-01-20 09:30:00", "2098-01-20T09:30:00+08:00"],
  ["2098-01-20 09:30", "2098-01-20T09:30:00+08:00"],
  ["2098-01-20T09:30:00.250", "2098-01-20T09:30:00.250+08:00"],
  ["2098-01-20T09:30:00Z", "2098-01-20T17:30:00+08:00"],
  ["2098-01-20 09:30:00-0500", "2098-01-20T22:30:00+08:00"],
  ["2098-01-20T09:30:00 +09", "2098-01-20T08:30:00+08:00"],
];
story("a time without an offset is meant in Taipei, one with an offset is what it says", async () => {
  for (const [nextexecutetime, expected] of times) {
    assert.is((await jobs.add({ nextexecutetime })).nextexecutetime, expected, nextexecutetime);
  }
});

story("a job that repeats begins with the first time of its plan, in its own time zone", async () => {
  const { nextexecutetime: _time, ...job } = plainJob;
  const repeating = { ...job, cronexpr: "30 9 1 1 *", timezone: "Europe/Berlin" };
  const made = shown(await jobs.create({ ...repeating, nextexecutetime: undefined }));
  assert.match(made.nextexecutetime, /^\d{4}-01-01T16:30:00\+08:00$/);
  const moved = shown(await jobs.put(made.id, { timezone: "Asia/Tokyo" }));
  assert.match(moved.nextexecutetime, /^\d{4}-01-01T08:30:00\+08:00$/);
  const other = shown(await jobs.put(made.id, { cronexpr: "@yearly", timezone: null }));
  assert.match(other.nextexecutetime, /^\d{4}-01-01T00:00:00\+08:00$/);
  assert.is((await jobs.add({ cronexpr: "@yearly", nextexecutetime: inFuture })).nextexecutetime.slice(0, 4), "2099");
});

story("lists are narrowed and paged, and tell how many there are", async () => {
  const progcode = randomUUID();
  const ids: number[] = [];
  for (let n = 0; n < 5; n++) {
    ids.push((await jobs.add({ progcode, nextexecutetime: inFuture, isenabled: n % 2 === 0 })).id);
  }
  await insertJob(database, { progcode, executionstatus: "Failed" });
  const list = async (query: string) => {
    const answer = await jobs.list(`?progcode=${progcode}${query}`);
    return { ids: shownList(answer).map(({ id }) => id), total: answer.headers.get("x-total-count") };
  };
  assert.equal((await list("")).total, "6");
  assert.equal(await list("&executionstatus=Pending"), { ids, total: "5" });
  assert.equal(await list("&executionstatus=Pending&skip=1&limit=2"), { ids: ids.slice(1, 3), total: "5" });
  assert.equal(await list("&executionstatus=Pending&skip=5"), { ids: [], total: "5" });
  assert.equal(await list("&isenabled=false"), { ids: [ids[1], ids[3]], total: "2" });
  assert.equal(await list("&isenabled=true&executionstatus=Pending"), { ids: [ids[0], ids[2], ids[4]], total: "3" });
  assert.equal((await list("&executionstatus=Success")).total, "0");
  const others = await jobs.list(`?progcode=${progcode.slice(1)}`);
  assert.equal([others.text, others.headers.get("x-total-count")], ["[]", "0"]);

  const all = shownList(await jobs.list("?limit=1000")).map(({ id }) => id);
  assert.equal(
    all,
    all.toSorted((a, b) => a - b),
  );
  const refused: [query: string, fault: string][] = [
    ["skip=-1", "query.skip: skip must be >= 0"],
    ["limit=0", "query.limit: limit must be >= 1"],
    ["limit=1001", "query.limit: limit must be <= 1000"],
    ["limit=ten", "query.limit: limit must be integer"],
    [
      "executionstatus=Done",
      "query.executionstatus: executionstatus must be one of Pending, Processing, Success, Failed",
    ],
    ["isenabled=maybe", "query.isenabled: isenabled must be boolean"],
  ];
  for (const [query, fault] of refused) assert.equal(faults(await jobs.list(`?${query}`)), [fault]);
});

story("a job is disabled and enabled, and what it has missed is one mail", async () => {
  const { id } = await jobs.add({ recipients: "switched@example.org" });
  assert.is(shown(await jobs.enable(id, false)).isenabled, false);
  assert.not.ok(runsOf(await jobs.triggerDue()).some((run) => run.id === id));
  assert.is(shown(await jobs.enable(id, true)).isenabled, true);
  const [run, ...more] = runsOf(await jobs.triggerDue()).filter((one) => one.id === id);
  assert.equal([run?.executionstatus, more.length], ["Processing", 0]);
  assert.is((await jobs.until(id, "Success")).mailid, run?.mailid);
  assert.is(mailsTo("switched@example.org"), 1);
  assert.equal(faults(await jobs.enable(id, "yes")), ["body.isenabled: isenabled must be boolean"]);
  const missing = await system.call(`/api/schedule/mail/${id}/status`, { method: "PATCH", body: {} });
  assert.equal(faults(missing), ["body.isenabled: isenabled is required"]);
});

story("trigger-due is no job's id, and an id is no trigger-due", async () => {
  await jobs.triggerDue();
  const answer = await jobs.triggerDue();
  assert.equal([answer.status, answer.text], [200, "[]"]);
  const { id } = await jobs.add({ nextexecutetime: inFuture });
  assert.is((await jobs.execute(id)).status, 200);
  await jobs.until(id, "Success");
  const elsewhere = await system.call("/api/execute/mail/trigger-dues", { method: "POST" });
  assert.equal(faults(elsewhere), ["path.id: id must be integer"]);
  assert.match(sentence(await system.call("/api/execute/mail/trigger-due"), 405), "does not take this method");
});

story("trigger-due tells of as many jobs as it is asked for, and runs the others as well", async () => {
  const progcode = randomUUID();
  for (let n = 0; n < 5; n++) await insertJob(database, { progcode, nextexecutetime: `2025-01-0${5 - n} 00:00:00` });
  const ran = runsOf(await jobs.triggerDue("?limit=2")).map(({ id }) => id);
  assert.is(ran.length, 2);
  const done = async () => {
    const answer = await jobs.list(`?progcode=${progcode}&executionstatus=Success`);
    return answer.headers.get("x-total-count") === "5";
  };
  await eventually(done, { what: "all five have run", within: 15_000 });
  const byTime = shownList(await jobs.list(`?progcode=${progcode}`)).toSorted((a, b) =>
    a.nextexecutetime.localeCompare(b.nextexecutetime),
  );
  assert.equal(
    ran.toSorted((a, b) => a - b),
    byTime
      .slice(0, 2)
      .map(({ id }) => id)
      .toSorted((a, b) => a - b),
    "the longest due come first",
  );
  assert.equal(faults(await jobs.triggerDue("?limit=0")), ["query.limit: limit must be >= 1"]);
});

story("by hand a job is sent whether it is due, enabled, or done before", async () => {
  const { id } = await jobs.add({ nextexecutetime: inFuture, isenabled: false, recipients: "by-hand@example.org" });
  for (const times of [1, 2]) {
    const run = runOf(await jobs.execute(id));
    assert.equal([run.id, run.executionstatus], [id, "Processing"]);
    const job = await jobs.until(id, "Success");
    assert.equal([job.mailid, job.isenabled, job.nextexecutetime], [run.mailid, false, "2099-01-01T09:00:00+08:00"]);
    assert.is(mailsTo("by-hand@example.org"), times);
  }
});

story("while its mail is on its way a job runs for nobody else, and keeps its time", async () => {
  holdUp();
  const { id, nextexecutetime } = await jobs.add({ recipients: "alone@example.org" });
  const answers = await Promise.all(Array.from({ length: 20 }, () => jobs.execute(id)));
  assert.equal(answers.map(({ status }) => status).toSorted(), [200, ...Array<number>(19).fill(409)]);
  const processing = await jobs.read(id);
  assert.is(processing.executionstatus, "Processing");
  for (const change of [{ nextexecutetime: inFuture }, { executionstatus: "Pending" }, { cronexpr: "@daily" }]) {
    assert.match(sentence(await jobs.put(id, change), 409), "is being sent at this moment");
  }
  const renamed = shown(await jobs.put(id, { progcode: "RENAMED", isenabled: false }));
  assert.equal([renamed.progcode, renamed.executionstatus], ["RENAMED", "Processing"]);
  relay.always(undefined);
  const job = await jobs.until(id, "Success");
  assert.equal([job.nextexecutetime, job.mailid], [nextexecutetime, processing.mailid]);
  assert.is(mailsTo("alone@example.org"), 1);
});

story("a job that is done begins anew with a new time, and with nothing else", async () => {
  const { id } = await jobs.add({ recipients: "anew@example.org" });
  await jobs.triggerDue();
  await jobs.until(id, "Success");
  for (const change of [{ subject: "New" }, { isenabled: true }, { recipients: "anew@example.org;" }]) {
    assert.is(shown(await jobs.put(id, change)).executionstatus, "Success");
  }
  await jobs.enable(id, true);
  await jobs.triggerDue();
  assert.is(mailsTo("anew@example.org"), 1);

  const anew = shown(await jobs.put(id, { nextexecutetime: "2025-10-08 11:00:00" }));
  assert.is(anew.executionstatus, "Pending");
  await jobs.triggerDue();
  await jobs.until(id, "Success");
  assert.is(mailsTo("anew@example.org"), 2);
  assert.is(shown(await jobs.put(id, { executionstatus: "Pending" })).executionstatus, "Pending");
});

story("a job that cannot be sent says by hand what is wrong with it, and keeps that", async () => {
  const id = await insertJob(database, { recipients: ";", sender: "nobody" });
  assert.match((await jobs.execute(id)).text, "recipients must have at least one address");
  const job = await jobs.read(id);
  assert.equal([job.executionstatus, job.mailid], ["Failed", null]);
  assert.match(job.lasterror ?? "", "recipients must have at least one address");
});

interface Refusal {
  body: object;
  /** Begins each fault, in order. */
  told: (string | RegExp)[];
}
const refusals: Record<string, Refusal[]> = {
  "a time that cannot be read": [
    "tomorrow",
    "2026-01-20",
    "20/01/2026 09:30",
    "1768872600",
    "",
    "2026-01-20T09:30:00 CST",
  ].map((nextexecutetime) => ({ body: { nextexecutetime }, told: ["nextexecutetime must be a time such as"] })),
  "a day or a time that does not exist": ["2026-02-30 09:00:00", "2026-01-20 24:00:00", "2026-13-01 00:00"].map(
    (nextexecutetime) => ({ body: { nextexecutetime }, told: ["nextexecutetime must be a day and time that exist"] }),
  ),
  "a cron line, by the field that is wrong": [
    ["61 * * * *", "minute"],
    ["0 24 * * *", "hour"],
    ["0 9 32 * *", "day of the month"],
    ["0 9 * 13 *", "month"],
    ["0 9 * * FUNDAY", "day of the week"],
    ["*/0 9 * * *", "minute"],
    ["0 17-9 * * *", "hour"],
  ].map(([cronexpr = "", field = ""]) => ({ body: { cronexpr }, told: [`cronexpr has a wrong ${field}, "`] })),
  "a cron line that has not five fields": ["", "0 9 * *", "0 0 9 * * *", "daily"].map((cronexpr) => ({
    body: { cronexpr },
    told: [/^cronexpr must have five fields, .*; it has \d$/],
  })),
  "a job that would repeat on days that never come": ["0 0 30 2 *", "0 0 31 4,6,9,11 *"].map((cronexpr) => ({
    body: { cronexpr },
    told: ["cronexpr never fires: there is no such day"],
  })),
  "a time zone that nobody knows, or that repeats nothing": [
    ...["Mars/Olympus", "+08:00", "UTC+8"].map((timezone) => ({
      body: { cronexpr: "0 9 * * *", timezone },
      told: ["timezone must be a time zone of the IANA database"],
    })),
    { body: { timezone: "Asia/Taipei" }, told: ["timezone needs a cronexpr"] },
  ],
  "recipients who are none": [
    { body: { recipients: "" }, told: ["recipients must not have fewer than 1 characters"] },
    ...[";", " , ; "].map((recipients) => ({
      body: { recipients },
      told: ["recipients must have at least one address"],
    })),
    {
      body: { recipients: "ann@example.org, bob, eve@localhost" },
      told: ["recipients entry 2 must be an e-mail address", "recipients entry 3 must have a full domain name"],
    },
    { body: { cc: "bob" }, told: ["cc entry 1"] },
    {
      body: { bcc: Array.from({ length: 1000 }, (_, n) => `a${n}@example.org`).join() },
      told: ["recipients with cc and bcc has 1001 recipients; 1000 is the most"],
    },
  ],
  "headers that come along with a text": [
    { body: { subject: "Hello\r\nBcc: eve@example.org" }, told: ["subject must not contain control characters"] },
    { body: { sender: "a@example.com\nBcc: eve@example.org" }, told: ["sender must not contain control characters"] },
    { body: { sender: '"A\r\nBcc: eve" <a@example.com>' }, told: ["sender must not contain control characters"] },
    {
      body: { recipients: "a@example.org\r\nBcc: eve@example.org" },
      told: ["recipients entry 1 must not contain control characters"],
    },
    { body: { cc: "a@example.org\u2028b@example.org" }, told: ["cc entry 1 must not contain control characters"] },
    { body: { progcode: "A\nB" }, told: ["progcode must not contain control characters"] },
    { body: { body: "a\0b" }, told: ["body must not contain NUL"] },
  ],
  "a relay that is none": [
    ...["relay.example/x", "smtp://relay.example", "relay example", "user@relay.example"].map((smtphost) => ({
      body: { smtphost },
      told: ["smtphost must be the name or the address of a host"],
    })),
    { body: { smtpport: 25, smtpsecure: "tls" }, told: ["smtpport needs an smtphost", "smtpsecure needs an smtphost"] },
    { body: { smtphost: "relay.example", smtppassword: "Confidential" }, told: ["smtppassword needs an smtpuser"] },
  ],
  "values of another type, all at once": [
    {
      body: {
        progcode: 7,
        recipients: ["a@example.org"],
        subject: null,
        isenabled: "true",
        nextexecutetime: 1768872600,
      },
      told: ["progcode", "recipients", "subject", "isenabled", "nextexecutetime"].map(
        (field) => new RegExp(`^${field} must be (string|boolean)$`),
      ),
    },
  ],
};
for (const [what, cases] of Object.entries(refusals)) {
  story(`refused, and told by field: ${what}`, async () => {
    const { id } = await jobs.add({ nextexecutetime: inFuture });
    const before = await jobs.list("?limit=1");
    for (const { body, told } of cases) {
      for (const answer of [await jobs.create({ nextexecutetime: inFuture, ...body }), await jobs.put(id, body)]) {
        const all = faults(answer);
        assert.is(all.length, told.length, `${JSON.stringify(body)}: ${all.join()}`);
        for (const [index, fault] of told.entries()) {
          const [, field = "", message = ""] = /^body\.(\w+): (.*)$/.exec(all[index] ?? "") ?? [];
          assert.match(message, fault);
          assert.ok(message.startsWith(`${field} `), message);
        }
      }
    }
    assert.is((await jobs.list("?limit=1")).headers.get("x-total-count"), before.headers.get("x-total-count"));
  });
}

story("refused: line breaks in the name of a relay or in who signs in there", async () => {
  for (const column of ["smtphost", "smtpuser", "smtppassword"]) {
    const own = { smtphost: "relay.example", smtpuser: "user", smtppassword: "Confidential" };
    const [first = ""] = faults(await jobs.create({ ...own, [column]: "relay.example\r\nRCPT TO:<eve@example.org>" }));
    assert.is(first, `body.${column}: ${column} must not contain control characters`);
  }
});

story("refused: what is no request for a job at all", async () => {
  const post = (body: string) => system.call("/api/schedule/mail", { method: "POST", body });
  const missing = faults(await post("{}"));
  assert.equal(
    missing,
    ["progcode", "sender", "recipients", "subject", "body"].map((field) => `body.${field}: ${field} is required`),
  );
  assert.match((await post("{}")).text, '"type":"missing"');
  const noTime = faults(await jobs.create({ nextexecutetime: undefined }));
  assert.equal(noTime, ["body.nextexecutetime: nextexecutetime is required"]);
  assert.equal(faults(await post("[]")), ["body: must be object"]);
  for (const body of ["{", '{"progcode": "A",}', "progcode=A"]) {
    const answer = await post(body);
    assert.match(faults(answer)[0] ?? "", /^body: The body is not valid JSON/);
    assert.match(answer.text, '"type":"json_invalid"');
  }
  const text = { method: "POST", body: "{}", headers: { "content-type": "text/plain" } };
  assert.is(sentence(await system.call("/api/schedule/mail", text), 415), "Send the body as application/json");
  assert.match(sentence(await jobs.create({ body: "x".repeat(11 * 2 ** 20) }), 413), "larger than 10 MB");
});

story("refused: an id that is no whole number", async () => {
  for (const id of ["one", "1.5", "1e3", "0x1", "99999999999999999999", "%00", "1%20"]) {
    for (const [method, path] of [
      ["GET", `/api/schedule/mail/${id}`],
      ["DELETE", `/api/schedule/mail/${id}`],
      ["POST", `/api/execute/mail/${id}`],
    ] as const) {
      assert.equal(faults(await system.call(path, { method })), ["path.id: id must be integer"], path);
    }
  }
  assert.equal(faults(await jobs.get(0)), ["path.id: id must be >= 1"]);
  assert.is(sentence(await jobs.execute(999_999_999), 404), "No job has this id");
});

story("who reads may not write, who sends may not read, and a stranger may nothing", async () => {
  const [reader, writer, neither] = await Promise.all(
    (["mail:read", "mail:send", "mail:cancel"] as const).map((permission) => issueToken(env, [permission])),
  );
  const { id } = await jobs.add({ nextexecutetime: inFuture });
  const reading = [
    (token: string | null) => jobs.get(id, { token }),
    (token: string | null) => jobs.list("", { token }),
  ];
  const writing = [
    (token: string | null) => jobs.create({ nextexecutetime: inFuture }, { token }),
    (token: string | null) => jobs.put(id, {}, { token }),
    (token: string | null) => jobs.enable(id, true, { token }),
    (token: string | null) => jobs.triggerDue("", { token }),
    (token: string | null) => jobs.execute(id, { token }),
    (token: string | null) => jobs.remove(id, { token }),
  ];
  for (const ask of [...reading, ...writing]) {
    assert.is(sentence(await ask(null), 401), "Send an Authorization header: Bearer <token>");
    assert.is(sentence(await ask("a.b.c"), 401), "The token is not valid");
    sentence(await ask(neither ?? ""), 403);
  }
  for (const ask of writing) {
    assert.is(sentence(await ask(reader ?? ""), 403), "This needs a token with the permission mail:send");
  }
  for (const ask of reading) {
    assert.is(sentence(await ask(writer ?? ""), 403), "This needs a token with the permission mail:read");
    assert.is((await ask(reader ?? "")).status, 200);
  }
  for (const ask of writing) assert.ok((await ask(writer ?? "")).status < 300);
});

story("a password comes back in no answer, and is kept sealed", async () => {
  const own = { smtphost: relay.host, smtpport: relay.port, smtpuser: "user", smtppassword: "Confidential" };
  const made = await jobs.create({ ...own, nextexecutetime: inFuture });
  const { id, smtpuser } = shown(made);
  assert.is(smtpuser, "user");
  const answers = [
    made,
    await jobs.get(id),
    await jobs.list("?limit=1000"),
    await jobs.put(id, { smtppassword: "Confidential, too" }),
    await jobs.enable(id, true),
    await jobs.put(id, { smtphost: "relay example", smtppassword: "Confidential, too" }),
    await jobs.create({ ...own, smtpuser: undefined }),
    await jobs.execute(id),
  ];
  for (const { text } of answers) assert.not.match(text, /Confidential|v1\./);
  const { rows } = await database.query<{ kept: string }>(
    "SELECT smtppassword AS kept FROM tblschedulemail WHERE id = $1",
    [id],
  );
  assert.match(rows[0]?.kept ?? "", /^v1\.[\da-f]{8}\.[\w-]+$/);
  const { stdout, stderr } = await system.output();
  assert.not.match(stdout + stderr, "Confidential");
});

const Operation = Type.Object({
  summary: Type.String({ minLength: 1 }),
  parameters: Type.Optional(Type.Array(Type.Object({ name: Type.String(), in: Type.String() }))),
  responses: Type.Record(Type.String(), Type.Object({ description: Type.String({ minLength: 1 }) })),
});
const Document = Type.Object({ paths: Type.Record(Type.String(), Type.Record(Type.String(), Operation)) });

story("the description has every route with its parameters and answers", async () => {
  const { paths } = Value.Parse(Document, (await system.call("/openapi.json", { token: null })).body);
  const told = Object.entries(paths).flatMap(([path, methods]) =>
    path.startsWith("/api/v1/")
      ? []
      : Object.entries(methods).map(([method, { parameters = [], responses }]) => {
          const names = parameters.map(({ name, in: place }) => `${place} ${name}`).join();
          return `${method} ${path} (${names}) ${Object.keys(responses)
            .filter((status) => status < "4" || /40[49]|422/.test(status))
            .join()}`;
        }),
  );
  assert.equal(told.filter((line) => line.includes("/api/")).toSorted(), [
    "delete /api/schedule/mail/{id} (path id) 204,404,422",
    "get /api/schedule/mail (query skip,query limit,query progcode,query executionstatus,query isenabled) 200,422",
    "get /api/schedule/mail/{id} (path id) 200,404,422",
    "patch /api/schedule/mail/{id}/status (path id) 200,404,422",
    "post /api/execute/mail/trigger-due (query limit) 200,422",
    "post /api/execute/mail/{id} (path id) 200,404,409,422",
    "post /api/schedule/mail () 201,422",
    "put /api/schedule/mail/{id} (path id) 200,404,409,422",
  ]);
  for (const [path, methods] of Object.entries(paths).filter(([path]) => /schedule|execute/.test(path))) {
    for (const { responses } of Object.values(methods)) {
      for (const status of ["401", "403", "422", "429"]) assert.ok(responses[status], `${path} ${status}`);
    }
  }
});

story.run();
