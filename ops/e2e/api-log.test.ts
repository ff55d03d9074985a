/** The log of requests, as an operator reads it in the database. */
import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type System } from "./system.ts";

const logged = suite("the log of requests");
let system: System;
let database: Client;

logged.before(async () => {
  const url = await freshDatabase();
  database = new Client({ connectionString: url });
  await database.connect();
  system = await startSystem({ env: { DATABASE_URL: url, JWT_SECRET: randomUUID() } });
});
logged.after(async () => {
  await stopAll();
  await database.end();
});

interface Row {
  client: string;
  ip: string;
  call: string;
  mail_id: string | null;
  status: number;
  ms: number;
}

/** The newest rows, oldest first, once there are as many as are wanted. */
async function rowsOf(client: string, count: number): Promise<Row[]> {
  const sql = `SELECT client_name AS client, host(request_ip) AS ip, method || ' ' || endpoint AS call, mail_id,
      status_code AS status, response_time_ms AS ms
    FROM api_logs WHERE client_name = $1 AND created_at > now() - interval '1 minute' ORDER BY created_at, id`;
  let rows: Row[] = [];
  await eventually(async () => (rows = (await database.query<Row>(sql, [client])).rows).length >= count, {
    what: `${count} rows of ${client}`,
  });
  return rows;
}

async function newClient(name: string, fields: Record<string, unknown> = {}): Promise<string> {
  const body = { client_name: name, permissions: ["mail:send", "mail:read", "mail:cancel"], ...fields };
  const answer = await system.call("/api/v1/auth/token", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
  return String(answer.body["token"]);
}

logged("each request of a client is a row within moments, with its mail where there is one", async () => {
  const token = await newClient("Sales");
  const sent = await system.send({}, { token });
  const id = String(sent.body["mail_id"]);
  const unknown = randomUUID();
  await system.call(`/api/v1/mail/status/${id}?events=true`, { token });
  await system.call(`/api/v1/mail/status/${unknown}`, { token });
  await system.call("/api/v1/mail/status/nonsense", { token });
  await system.call("/api/v1/mail/history?limit=1", { token });
  await system.send({ subject: "" }, { token });
  const rows = await rowsOf("Sales", 6);
  assert.equal(
    rows.map(({ call, status, mail_id }) => [call, status, mail_id]),
    [
      ["POST /api/v1/mail/send", 200, id],
      ["GET /api/v1/mail/status/:id", 200, id],
      ["GET /api/v1/mail/status/:id", 404, unknown],
      ["GET /api/v1/mail/status/:id", 400, null],
      ["GET /api/v1/mail/history", 200, null],
      ["POST /api/v1/mail/send", 400, null],
    ],
  );
  for (const { ip, ms } of rows) assert.equal([ip, ms >= 0 && ms < 5000], ["127.0.0.1", true]);
});

logged("so is one that was refused to a client that is known; a stranger's is not", async () => {
  const token = await newClient("Legal", { quota: { requests_per_minute: 2 } });
  await system.call("/api/v1/auth/tokens", { token });
  const asked = async () => (await system.call("/api/v1/mail/history", { token })).status;
  assert.equal([await asked(), await asked(), await asked()], [200, 200, 429]);
  const rows = await rowsOf("Legal", 4);
  assert.equal(
    rows.map(({ call, status }) => [call, status]),
    [
      ["GET /api/v1/auth/tokens", 403],
      ["GET /api/v1/mail/history", 200],
      ["GET /api/v1/mail/history", 200],
      ["GET /api/v1/mail/history", 429],
    ],
  );
  const before = await count();
  for (const stranger of [null, "a.b.c", `${token}x`]) {
    assert.is((await system.call("/api/v1/mail/history", { token: stranger })).status, 401);
  }
  await system.call("/health", { token: null });
  await newClient("Last");
  await eventually(async () => (await count()) > before, { what: "the last one is logged" });
  assert.is(await count(), before + 1);
});

async function count(): Promise<number> {
  const { rows } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM api_logs");
  return rows[0]?.count ?? 0;
}

logged("nothing of a mail is in it", async () => {
  const { rows } = await database.query("SELECT string_agg(api_logs::text, ' ') AS all FROM api_logs");
  const all: unknown = rows[0]?.all;
  for (const part of [plainMail.subject, plainMail.body, ...plainMail.to, plainMail.from, system.token]) {
    assert.not.match(String(all), part);
  }
});

logged("what was asked last is logged also when the system stops", async () => {
  const token = await newClient("Late");
  const answers = await Promise.all(Array.from({ length: 50 }, () => system.send({}, { token })));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(await system.stop(), { code: 0, signal: null });
  assert.is((await rowsOf("Late", 50)).length, 50);
});

logged.run();
