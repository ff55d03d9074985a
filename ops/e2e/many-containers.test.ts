/** Several processes on one database, one RabbitMQ and one Redis, as several containers are. */
import { connect } from "amqplib";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, emptyDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import { copyProject, createToken, type Variables } from "./fn.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const containers = suite("many containers");
let env: Variables;
let sendgrid: SendGridStandIn;
let database: Client;
let root = "";
let five: System[] = [];

containers.before(async () => {
  sendgrid = await startSendGrid();
  root = await copyProject();
  await mkdir(join(root, "functions/clock"));
  await writeFile(
    join(root, "functions/clock/tick.ts"),
    `import { schedule } from "#runtime";
     export default schedule("* * * * * *").handle(async ({ at }, ctx) => {
       await ctx.db.query("INSERT INTO ticks VALUES ($1, $2)", [at, process.pid]);
     });`,
  );
  const table =
    "-- Up Migration\n\nCREATE TABLE ticks (at timestamptz, pid int);\n\n-- Down Migration\n\nDROP TABLE ticks;\n";
  await writeFile(join(root, "sql/9999_ticks.sql"), table);
  const [url, rabbit, redis] = await Promise.all([emptyDatabase(), freshVhost(), freshRedis()]);
  env = {
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    KEYDB_URL: redis,
    JWT_SECRET: randomUUID(),
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: sendgrid.url,
    LOG_LEVEL: "info",
  };
  database = new Client({ connectionString: url });
  await database.connect();
});
containers.before.each(() => sendgrid.reset());
containers.after(async () => {
  await stopAll();
  await database.end();
  await sendgrid.close();
});

async function number(sql: string): Promise<number> {
  const { rows } = await database.query<{ count: string }>(sql);
  return Number(rows[0]?.count);
}

containers("five start at once on an empty database: all are ready, and it is migrated once", async () => {
  const token = "made below";
  five = await Promise.all(Array.from({ length: 5 }, () => startSystem({ root, env, token, within: 60_000 })));
  const migrated = await Promise.all(
    five.map(async (system) => (await system.output()).stdout.includes('"msg":"migrated the database"')),
  );
  assert.is(migrated.filter(Boolean).length, 1);
  assert.is(await number("SELECT count(*) FROM pgmigrations WHERE name = '9999_ticks'"), 1);
  for (const system of five) assert.is((await system.call("/health", { token: null })).status, 200);
});

containers("a tick runs once, whoever runs it", async () => {
  const from = new Date();
  const since = `FROM ticks WHERE at > '${from.toISOString()}'`;
  await eventually(async () => (await number(`SELECT count(*) ${since}`)) >= 4, { what: "four ticks", within: 15_000 });
  assert.is(await number(`SELECT count(*) FROM (SELECT at ${since} GROUP BY at HAVING count(*) > 1) AS doubled`), 0);
  const { rows } = await database.query<{ at: Date }>(`SELECT at ${since} ORDER BY at`);
  const gaps = rows.slice(1).map(({ at }, index) => at.getTime() - (rows[index]?.at.getTime() ?? 0));
  assert.ok(
    gaps.every((gap) => gap === 1000),
    `none is left out: ${gaps.join(" ")}`,
  );
});

containers("a token that one has issued, and a mail that one has taken, are known to all at once", async () => {
  const [issuer, ...others] = five;
  assert.ok(issuer);
  const admin = await createToken({ env, root });
  const issued = await issuer.call("/api/v1/auth/token", {
    method: "POST",
    token: admin,
    body: { client_name: "Sales", permissions: ["mail:send", "mail:read"] },
  });
  assert.is(issued.status, 201, issued.text);
  const token = String(issued.body["token"]);
  const sent = await issuer.send({}, { token });
  assert.is(sent.status, 200, sent.text);
  for (const other of others) {
    const answer = await other.call(`/api/v1/mail/status/${String(sent.body["mail_id"])}`, { token });
    assert.is(answer.status, 200, answer.text);
  }
  await stopAll();
});

containers("one of two workers is killed while it delivers: everything is sent", async () => {
  const [a, b] = await Promise.all([startSystem({ env, root }), startSystem({ env, root })]);
  sendgrid.always({ kind: "delay", ms: 300 });
  const ids = await Promise.all(Array.from({ length: 60 }, () => a.accept()));
  // Twenty is what both deliver at once: now the one to be killed is among them.
  await eventually(() => sendgrid.busy === 20, { what: "both deliver", within: 15_000 });
  await b.kill();
  const unfinished = "SELECT count(*) FROM mails WHERE status = 'processing'";
  const waiting = "SELECT count(*) FROM mails WHERE status = 'queued'";
  await eventually(async () => (await number(waiting)) === 0 && sendgrid.busy === 0, {
    what: "the other has sent the rest",
    within: 20_000,
  });
  const isLeft = async () => (await number(unfinished)) <= 10;
  await eventually(isLeft, { what: "only what the killed one held is left" });
  assert.ok((await number(unfinished)) > 0, "it was killed while it delivered");

  // A minute passes, as far as the leases know.
  await database.query("UPDATE mails SET lease_until = now() WHERE status = 'processing'");
  for (const id of ids) {
    const state = await a.settled(id, 25_000);
    assert.is(state.status, "sent");
    const unknown = state.events.filter(({ type }) => type === "outcome_unknown").length;
    const copies = sendgrid.copies(id);
    assert.ok(copies >= 1 && copies <= 1 + unknown, `${id}: ${copies} copies, ${unknown} unknown outcomes`);
  }
  await stopAll();
});

containers("FUNCTIONS decides what a process does: one takes mail, another delivers it", async () => {
  const api = await startSystem({ root, env: { ...env, FUNCTIONS: "mail/send,mail/status,health" } });
  const first = await api.accept();
  const worker = await startSystem({
    root,
    token: api.token,
    env: { ...env, FUNCTIONS: "mail/deliver,mail/publish-stranded,mail/release-expired" },
  });
  assert.is((await api.settled(first, 15_000)).status, "sent");
  assert.is((await worker.send()).status, 404, "a worker takes no mail");

  assert.is((await worker.stop()).code, 0);
  const second = await api.accept();
  const queue = await eventually(
    async () => {
      const state = await queueState("mail-queue");
      return state.messageCount > 0 && state;
    },
    { what: "the message waits" },
  );
  assert.equal(queue && { waiting: queue.messageCount, consumers: queue.consumerCount }, { waiting: 1, consumers: 0 });
  assert.is((await api.status(second)).status, "queued");
  await worker.start();
  assert.is((await api.settled(second)).status, "sent");
});

async function queueState(name: string) {
  const connection = await connect(env["RABBITMQ_URL"] ?? "");
  try {
    return await (await connection.createChannel()).checkQueue(name);
  } finally {
    await connection.close();
  }
}

containers.run();
