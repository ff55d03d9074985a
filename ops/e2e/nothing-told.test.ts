/** Secrets and content go in at every door, also where it fails: none comes out where it does not belong. */
import { randomBytes } from "node:crypto";
import { createTransport } from "nodemailer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startPlanted } from "./nothing-told-house.fixture.ts";
import { dump, Garden, type Finding } from "./nothing-told.fixture.ts";
import { lineUser, lineUserId, sendWebhook } from "./stand-ins/line-webhook.ts";
import type { Answer, Call } from "./system.ts";

const story = suite("nothing is told");

const garden = new Garden();
const long = { within: 60_000 };
let house: Awaited<ReturnType<typeof startPlanted>>;
/** Of what is no success. */
const refusals: { call: string; answer: Answer }[] = [];

story.before(async () => void (house = await startPlanted(garden)));
story.after(() => house.close());

async function call(method: string, path: string, body?: unknown, more: Call = {}): Promise<Answer> {
  const answer = await house.system.call(path, { method, body, ...more });
  if (answer.status >= 400) refusals.push({ call: `${method} ${path.split("?")[0] ?? ""}`, answer });
  return answer;
}
const crm = (method: string, path: string, body?: unknown, more: Call = {}) =>
  call(method, `/api/v1${path}`, body, { token: house.admin.token, ...more });

const secretMail = (more: object = {}) => ({
  from: `Shop <${garden.content("sender")}@shop.example>`,
  to: [`${garden.content("name of a recipient")} <${garden.content("recipient")}@home.example>`],
  subject: garden.content("subject"),
  body: garden.content("body"),
  attachments: [
    { filename: `${garden.content("filename")}.txt`, content: Buffer.from(garden.content("file")).toString("base64") },
  ],
  metadata: { order: garden.content("metadata") },
  ...more,
});

story("mail by the API, taken and refused, sent and failed", async () => {
  const send = (mail: object, more?: Call) => call("POST", "/api/v1/mail/send", mail, more);
  const { body: made } = await call("POST", "/api/v1/auth/token", { client_name: "Sales", permissions: ["mail:send"] });
  const token = garden.known("a client's token", String(made["token"]));
  const to = `${garden.content("address in a provider's words")}@home.example`;
  house.sendgrid.next({ kind: "status", status: 400, message: `no mail for ${to}` });
  const failed = await send(secretMail(), { token });
  assert.is(failed.status, 200, failed.text);
  assert.is((await house.system.settled(String(failed.body["mail_id"]), 60_000)).status, "failed");
  const { body } = await send(secretMail(), { token, headers: { "idempotency-key": garden.content("a key") } });
  assert.is((await house.system.settled(String(body["mail_id"]), 60_000)).status, "sent");

  await send(secretMail({ to: [`${garden.content("bad recipient")} at nowhere`] }));
  await send(secretMail({ subject: 17, body: { text: garden.content("body of a wrong type") } }));
  await send(secretMail({ [garden.content("unknown field")]: garden.content("value of it") }));
  await send(secretMail({ attachments: [{ filename: "a", content: `${garden.content("bad base64")}*` }] }));
  await send({ [garden.content("no JSON")]: 1 }, { body: `{"subject": ${garden.content("broken JSON")}` });
  await send(secretMail({ send_at: garden.content("bad time") }));
  await call("POST", "/api/v1/mail/send/batch", { mails: [secretMail({ to: [] }), garden.content("no mail at all")] });
  await call("GET", `/api/v1/mail/status/${garden.content("id in a path")}`);
  await call("GET", `/api/v1/mail/history?status=${garden.content("status in a query")}`);
  await call("GET", `/api/v1/nothing/${garden.content("path")}?token=${garden.secret("token in a query")}`);
});

story("senders of the organisation and tokens, right and wrong", async () => {
  const config = (more: object) =>
    call("POST", "/api/v1/auth/sender-config", {
      sender_email: "boss@corp.example",
      ms_tenant_id: "tenant",
      ms_client_id: "app",
      ms_client_secret: garden.secret("secret of an application"),
      ...more,
    });
  assert.is((await config({})).status, 201);
  await config({});
  await config({ sender_email: `${garden.content("sender elsewhere")}@else.example` });
  await config({ ms_tenant_id: garden.secret("secret in the wrong field") + "/?" });
  const mail = secretMail({ from: "boss@corp.example" });
  const { body } = await call("POST", "/api/v1/mail/send", mail);
  const tried = async () => (await house.system.status(String(body["mail_id"]))).events.length > 0;
  await eventually(tried, { what: "Microsoft was asked in vain", ...long });
  const bearer = (value: string) => ({ token: null, headers: { authorization: value } });
  for (const value of [
    `Bearer ${garden.secret("wrong token")}`,
    `Bearer ${house.system.token}${garden.secret("end of a token")}`,
    `Basic ${Buffer.from(`u:${garden.secret("password of Basic")}`).toString("base64")}`,
    garden.secret("token without a scheme"),
  ]) {
    assert.is((await call("GET", "/api/v1/mail/history", undefined, bearer(value))).status, 401);
  }
});

story("mail by SMTP, signed in and not", async () => {
  const smtp = (pass: string) =>
    createTransport({
      host: "127.0.0.1",
      port: house.system.smtp.port,
      tls: { rejectUnauthorized: false },
      ...(pass && { auth: { user: "client_sales", pass } }),
    });
  const message = () => ({
    from: `${garden.content("sender by SMTP")}@shop.example`,
    to: `${garden.content("recipient by SMTP")}@home.example`,
    subject: garden.content("subject by SMTP"),
    text: garden.content("text by SMTP"),
    headers: { "X-Secret": garden.content("header by SMTP") },
  });
  const refused = await smtp(garden.secret("wrong password by SMTP"))
    .sendMail(message())
    .catch((error: unknown) => String(error));
  assert.type(refused, "string");
  const { response } = await smtp("").sendMail(message());
  assert.is((await house.system.settled(/queued as (\S+)/.exec(response)?.[1] ?? "", 60_000)).status, "sent");
});

story("scheduled mail with a password of its own, whose relay is away", async () => {
  const job = (more: object = {}) =>
    call("POST", "/api/schedule/mail", {
      progcode: "ORDERS",
      sender: `${garden.content("sender of a job")}@shop.example`,
      recipients: `${garden.content("recipient of a job")}@home.example`,
      subject: garden.content("subject of a job"),
      body: garden.content("body of a job"),
      nextexecutetime: "2099-01-01 09:00:00",
      smtphost: "127.0.0.1",
      smtpport: 1,
      smtpuser: "relay",
      smtppassword: garden.secret("password of a job"),
      ...more,
    });
  const made = await job();
  assert.is(made.status, 201, made.text);
  await job({ smtpport: garden.secret("password in the wrong column") });
  await job({ nextexecutetime: garden.content("bad time of a job") });
  assert.is((await call("POST", `/api/execute/mail/${Number(made.body["id"])}`)).status, 200);
});

story("users, members and messages of the CRM, right and wrong", async () => {
  const signIn = (username: string, password: string) =>
    crm("POST", "/auth/login", { username, password }, { token: null });
  assert.is((await signIn(house.admin.username, garden.secret("wrong password"))).status, 401);
  await signIn(garden.secret("password in the place of a name"), "x");
  const { body } = await signIn(house.admin.username, house.admin.password);
  garden.known("the token of a sign-in", String((body["data"] as { access_token?: unknown }).access_token));
  const change = { current_password: garden.secret("wrong current password"), new_password: garden.secret("new one") };
  await crm("PUT", "/auth/password", change);
  const user = { username: "ming", email: "ming@hotel.example", full_name: "Ming", role: "marketing" };
  await crm("POST", "/users", { ...user, password: garden.secret("password of a user") });
  await crm("POST", "/users", { ...user, password: garden.secret("password of a user that is there already") });
  await crm("POST", "/users", {
    ...user,
    role: garden.content("no role"),
    password: garden.secret("another password"),
  });

  const idNumber = garden.known("ID number", `A${randomBytes(8).readBigUInt64BE().toString().slice(0, 12)}`);
  const guest = (more: object = {}) => ({
    last_name: garden.content("last name"),
    first_name: garden.content("first name"),
    email: `${garden.content("e-mail of a guest")}@home.example`,
    phone: garden.known(
      "phone",
      `09${String(randomBytes(4).readUInt32BE()).padStart(10, "7")}`.slice(0, 10),
      "content",
    ),
    notes: garden.content("notes"),
    ...more,
  });
  const made = await crm("POST", "/members", guest({ id_number: idNumber }));
  assert.is(made.status, 200, made.text);
  const again = await crm("POST", "/members", guest({ id_number: idNumber }));
  assert.is(again.status, 409, again.text);
  await crm("POST", "/members", guest({ birthday: garden.content("bad birthday") }));
  await crm("POST", "/members", guest({ notes: `${garden.content("notes with a NUL")}\0` }));
  await crm("GET", `/members?search=${idNumber}`);
  await crm("GET", `/members?sort_by=${garden.content("bad order")}`);
  await crm("POST", "/tags", { name: garden.content("tag"), type: garden.content("no type of tag") });
});

story("LINE's webhook, answers that LINE refuses, and a PMS that fails", async () => {
  const { system, database, line, pms } = house;
  const guest = lineUser(lineUserId(), line.replyToken);
  const hook = { url: `${system.url}/webhooks/line`, secret: line.secret };
  const said = () => guest.says(garden.content("text of a guest"));
  const wrong = await sendWebhook({ ...hook, signature: garden.secret("wrong signature") }, said());
  assert.is(wrong.status, 401);
  assert.is((await sendWebhook(hook, guest.follow(), said())).status, 200);
  const handled = async () => {
    const { rows } = await database.query("SELECT count(*)::int AS n FROM line_events WHERE state = 'handled'");
    return rows[0]?.n === 2;
  };
  await eventually(handled, { what: "the events are handled", ...long });
  const { rows } = await database.query("SELECT id::int FROM members WHERE line_uid = $1", [guest.id]);
  line.next("push", { kind: "status", status: 400, message: "no" });
  const content = garden.content("message to a guest");
  const sent = await crm("POST", "/messages", { member_id: rows[0]?.id, content, message_type: "text" });
  assert.is(sent.status, 400, sent.text);
  await crm("POST", "/messages", { member_id: garden.content("no member"), content });

  pms.faults.next("members", { kind: "status", status: 500, message: garden.content("the PMS's words") });
  const id_number = garden.known("ID number of the PMS", `B${randomBytes(8).readBigUInt64BE()}`.slice(0, 14));
  const updated_at = "2025-10-08T10:00:00Z";
  pms.put("members", { id: "G1", updated_at, id_number, first_name: garden.content("guest of the PMS") });
  pms.put("members", { id: "G2", updated_at, id_number: { [garden.secret("odd ID number")]: 1 }, birthday: "never" });
  await crm("POST", "/pms/sync", { sync_type: "members" });
  const over = async () => {
    const { rows: tasks } = await database.query(
      "SELECT status FROM pms_sync_tasks WHERE status NOT IN ('pending', 'running')",
    );
    return tasks.length > 0;
  };
  await eventually(over, { what: "the synchronisation is over", ...long });
});

story("faults of our own: tables that are gone", async () => {
  const { system, database, line } = house;
  const calls = async () => {
    await call("POST", "/api/v1/mail/send", secretMail());
    await crm("POST", "/members", { first_name: garden.content("guest of a broken house"), id_number: "C123456789" });
    await crm("POST", "/auth/login", { username: "x", password: garden.secret("password to a broken house") });
    await sendWebhook(
      { url: `${system.url}/webhooks/line`, secret: line.secret },
      lineUser(lineUserId(), line.replyToken).says(garden.content("text to a broken house")),
    );
  };
  const tables = ["mails", "members", "users", "line_events"];
  for (const table of tables) await database.query(`ALTER TABLE ${table} RENAME TO ${table}_gone`);
  await calls();
  for (const table of tables) await database.query(`ALTER TABLE ${table}_gone RENAME TO ${table}`);
  for (const table of ["mails", "members"]) {
    await database.query(`ALTER TABLE ${table} ADD CONSTRAINT full_up CHECK (false) NOT VALID`);
  }
  await calls();
  for (const table of ["mails", "members"]) await database.query(`ALTER TABLE ${table} DROP CONSTRAINT full_up`);
  assert.ok(refusals.filter(({ answer }) => answer.status >= 500).length >= 4);
});

story("nothing of all that is in the log, the metrics, the traces or an answer that refuses", async () => {
  const { text } = await house.system.call("/metrics", { token: null });
  await house.system.stop();
  const { stdout, stderr } = await house.system.output();
  assert.ok(stdout.length > 10_000 && text.length > 1000 && house.collector.words.length > 0);
  const findings: Finding[] = [
    ...lines(stdout).flatMap((entry) => garden.findIn("the log", entry)),
    ...garden.findIn("standard error", stderr),
    ...garden.findIn("/metrics", text),
    ...house.collector.words.flatMap((word) => garden.findIn("a trace", word)),
    ...refusals.flatMap(({ call: where, answer }) =>
      garden.findIn(`${answer.status} of ${where}`, answer.text + JSON.stringify([...answer.headers])),
    ),
  ];
  assert.equal(distinct(findings), []);
});

/** Tables that tell what was done and not what was said. */
const dry =
  /^public\.(?:api_logs|mail_events|mail_totals|mail_total_changes|schedule_ticks|function_\w+|crm_day\w*)$|^pgboss\./;

story("no secret is in clear in the database, and content only where it belongs", async () => {
  const findings: Finding[] = [];
  const tables = await dump(house.databaseUrl);
  const found = garden.findIn("mails", tables.get("public.mails") ?? "");
  assert.ok(found.length > 5, "what may be there is found there");
  for (const [table, text] of tables) {
    findings.push(...garden.findIn(table, text, dry.test(table) ? ["secret", "content"] : ["secret"]));
  }
  assert.equal(distinct(findings), []);
});

const lines = (text: string): string[] => text.split("\n");

/** One of each plant and place. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.plant} ${finding.where}`, finding])).values()];
}

story.run();
