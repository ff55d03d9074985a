/** Rate limits as clients and operators meet them: two processes that share a Redis, and the Redis gone. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startRedis, type Server } from "../harness/services.ts";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type Answer, type System } from "./system.ts";

const limits = suite("rate limits");
let redis: Server;
let database: Client;
let one: System;
let two: System;

limits.before(async () => {
  const [url, rabbit] = await Promise.all([freshDatabase(), freshVhost()]);
  redis = await startRedis({ durable: false });
  database = new Client({ connectionString: url });
  await database.connect();
  const env = {
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    KEYDB_URL: redis.url,
    JWT_SECRET: randomUUID(),
    RATE_LIMIT_DEPARTMENT_PER_MINUTE: "6",
    RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "5",
    RATE_LIMIT_RECIPIENT_PER_HOUR: "3",
  };
  one = await startSystem({ env });
  two = await startSystem({ env, token: one.token });
  await database.query(`UPDATE client_tokens SET quota = '{"requests_per_minute": 0, "mails_per_hour": 0}'`);
  await eventually(async () => (await statuses(10, () => one.call("/api/v1/auth/tokens"))).every((s) => s === 200), {
    what: "the operator of this test has no limits",
  });
});
limits.after(async () => {
  await stopAll();
  await database.end();
  await redis.close();
});

async function statuses(count: number, ask: (n: number) => Promise<Answer>): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < count; n++) found.push((await ask(n)).status);
  return found;
}
const passed = (found: readonly number[]) => found.filter((status) => status === 200).length;
const either = (n: number) => (n % 2 === 0 ? one : two);

/** A new client's token. */
async function newClient(fields: Record<string, unknown> = {}): Promise<string> {
  const body = { client_name: "Sales", permissions: ["mail:send", "mail:read"], ...fields };
  const answer = await one.call("/api/v1/auth/token", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
  return String(answer.body["token"]);
}

/** Its requests have no limit: for tests of the limits of mail. */
const mailClient = (mailsPerHour?: number) =>
  newClient({ quota: { requests_per_minute: 0, ...(mailsPerHour !== undefined && { mails_per_hour: mailsPerHour }) } });

let people = 0;
const someone = () => `guest${++people}@example.org`;
const batch = (system: System, token: string, to: readonly string[]) => {
  const mails = to.map((address) => ({ ...plainMail, to: [address] }));
  return system.call("/api/v1/mail/send/batch", { method: "POST", token, body: { mails } });
};
const resultsOf = ({ body }: Answer) =>
  Array.isArray(body["results"]) ? body["results"].map((result) => result.error ?? result.status) : body;

function assertLimited(answer: Answer, limit: number, seconds: number): void {
  assert.is(answer.status, 429, answer.text);
  assert.equal([answer.body["success"], answer.body["error"]], [false, "rate_limited"]);
  const wait = Number(answer.headers.get("retry-after"));
  assert.ok(wait > seconds * 0.75 && wait <= (seconds * 61) / 60, `Retry-After: ${wait}`);
  assert.is(answer.headers.get("ratelimit-limit"), String(limit));
  assert.is(answer.headers.get("ratelimit-remaining"), "0");
  assert.is(answer.headers.get("ratelimit-reset"), String(wait));
}

limits("a department's requests are counted across its clients and across processes", async () => {
  const tokens = [await newClient({ department: "Sales" }), await newClient({ department: "Sales" })];
  const ask = (n: number) => either(n).call("/api/v1/mail/history", { token: tokens[n % 3 === 0 ? 0 : 1] ?? "" });
  assert.equal(await statuses(9, ask), [200, 200, 200, 200, 200, 200, 429, 429, 429]);
  for (const system of [one, two]) {
    for (const token of tokens) assertLimited(await system.call("/api/v1/mail/history", { token }), 6, 60);
  }
  const other = await newClient({ department: "Legal" });
  assert.is((await one.call("/api/v1/mail/history", { token: other })).status, 200);
});

limits("a client's own quota holds in place of its department's", async () => {
  const [small, none] = [
    await newClient({ department: "IT", quota: { requests_per_minute: 2 } }),
    await newClient({ department: "IT", quota: { requests_per_minute: 0 } }),
  ];
  const history = (token: string) => (n: number) => either(n).call("/api/v1/mail/history", { token });
  assert.equal(await statuses(4, history(small)), [200, 200, 429, 429]);
  assertLimited(await two.call("/api/v1/mail/history", { token: small }), 2, 60);
  assert.is(passed(await statuses(20, history(none))), 20);
});

limits("a client's mails are counted across processes; its quota holds in place of the system's", async () => {
  const token = await mailClient();
  const send = (n: number) => either(n).send({ to: [someone()] }, { token });
  assert.equal(await statuses(7, send), [200, 200, 200, 200, 200, 429, 429]);
  assertLimited(await one.send({ to: [someone()] }, { token }), 5, 3600);
  const { total } = (await one.call("/api/v1/mail/history", { token })).body;
  assert.is(total, 5, "what was refused was not kept");

  const [small, none] = [await mailClient(1), await mailClient(0)];
  assert.equal(await statuses(3, (n) => either(n).send({ to: [someone()] }, { token: small })), [200, 429, 429]);
  assert.is(passed(await statuses(8, (n) => either(n).send({ to: [someone()] }, { token: none }))), 8);
});

limits("a recipient's mails are counted over all clients, however the address is written", async () => {
  const ann = someone();
  const forms = [ann, ann.toUpperCase(), `Ann <${ann}>`, ann.replace("guest", "Guest"), ann];
  const tokens = [await mailClient(), await mailClient()];
  const send = (n: number) => either(n).send({ to: [forms[n] ?? ""] }, { token: tokens[n % 2] ?? "" });
  assert.equal(await statuses(5, send), [200, 200, 200, 429, 429]);
  const refused = await two.send({ to: [someone()], cc: [someone()], bcc: [ann] }, { token: tokens[0] ?? "" });
  assertLimited(refused, 3, 3600);
  assert.equal(refused.body["details"], [{ field: "recipients[2]", message: "has been sent its 3 mails of an hour" }]);
});

limits("a mail that could not be sent anyway, or that was sent before, uses nothing up", async () => {
  const token = await mailClient(2);
  const ann = someone();
  const bad = { to: [ann], subject: "" };
  assert.equal(await statuses(4, () => one.send(bad, { token })), [400, 400, 400, 400]);
  const headers = { "idempotency-key": randomUUID() };
  assert.equal(await statuses(4, (n) => either(n).send({ to: [ann] }, { token, headers })), [200, 200, 200, 200]);
  assert.equal(await statuses(2, () => one.send({ to: [ann] }, { token })), [200, 429]);
});

limits("a batch counts each of its mails, and the earlier ones win", async () => {
  const ann = someone();
  const token = await mailClient();
  const first = await batch(one, token, [ann, ann, ann, ann, someone()]);
  assert.is(first.status, 200, first.text);
  assert.equal(resultsOf(first), ["queued", "queued", "queued", "rate_limited", "queued"]);
  const second = await batch(two, token, [someone(), ann, someone()]);
  assert.equal(resultsOf(second), ["queued", "rate_limited", "rate_limited"]);
  assertLimited(await batch(one, token, [someone(), someone()]), 5, 3600);
});

limits("Redis killed: mail passes without limits, health says so, and it is counted", async () => {
  const token = await newClient({ department: "Support" });
  assert.is(passed(await statuses(8, () => one.send({ to: [someone()] }, { token }))), 5);
  await redis.kill();
  const health = () => one.call("/health", { token: null });
  await eventually(async () => (await health()).status === 503, { what: "health says that something is away" });
  const { body } = await health();
  assert.equal(body["services"], { postgresql: "ok", keydb: "error", rabbitmq: "ok" });
  assert.is(body["message"], "KeyDB is away: status comes from PostgreSQL and rate limits are not enforced");

  const before = await one.metric("rate_limits_unenforced_total");
  const answers = await Promise.all(Array.from({ length: 20 }, () => one.send({ to: [someone()] }, { token })));
  for (const answer of answers) {
    assert.is(answer.status, 200, answer.text);
    assert.ok(answer.ms < 1000, `${answer.ms} ms`);
  }
  // Its request, its client's mails, its recipient.
  assert.is((await one.metric("rate_limits_unenforced_total")) - before, 60);

  await redis.start();
  await eventually(async () => (await health()).status === 200, { what: "all is well again" });
  assert.is((await health()).body["message"], undefined);
  await eventually(async () => (await one.send({ to: [someone()] }, { token })).status === 429, {
    what: "limits hold",
  });
});

limits("what is refused is told, and no address is in the log", async () => {
  assert.ok((await one.metric("rate_limits_refused_total")) > 10);
  for (const system of [one, two]) assert.not.match((await system.output()).stdout, /guest\d/i);
});

limits.run();
