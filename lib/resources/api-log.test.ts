import { pino } from "pino";
import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually } from "../../ops/harness/test.ts";
import { openApiLog, type ApiLogOptions, type ApiLogRow } from "./api-log.ts";

const log = pino({ level: "silent" });
const test = suite<{ context: TestContext }>("api log");

test.before(async (state) => {
  state.context = await openContext();
});
test.after(({ context }) => context.close());
test.before.each(async ({ context }) => {
  await context.ctx.db.query("TRUNCATE api_logs");
});

const aRow = (n: number, given: Partial<ApiLogRow> = {}): ApiLogRow => ({
  client_id: "client_sales",
  client_name: "業務部",
  request_ip: "10.1.2.3",
  endpoint: "/api/v1/mail/send",
  method: "POST",
  mail_id: "7f1c2b3a-0000-4000-8000-00000000000a",
  status_code: 200,
  response_time_ms: n,
  created_ms: Date.parse("2026-01-20T10:00:00.500Z") + n,
  ...given,
});

/** The numbers of the rows that were written, in the order in which they were. */
async function written({ ctx }: TestContext): Promise<number[]> {
  const sql = "SELECT response_time_ms AS n FROM api_logs ORDER BY id";
  return (await ctx.db.query<{ n: number }>(sql)).rows.map(({ n }) => n);
}
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

/** A log of its own, whose statements are counted. */
function openLog(context: TestContext, options: Partial<ApiLogOptions> = {}) {
  const registry = new Registry();
  let statements = 0;
  const query: ApiLogOptions["db"]["query"] = (...asked) => {
    statements++;
    return context.ctx.db.query(...asked);
  };
  return {
    apiLog: openApiLog({ db: { query }, log, registry, ...options }),
    statements: () => statements,
    dropped: async () => (await registry.getMetricsAsJSON())[0]?.values[0]?.value,
  };
}

test("a row says all that it was given", async ({ context }) => {
  const { apiLog } = openLog(context);
  apiLog.add(aRow(1));
  apiLog.add(aRow(2, { request_ip: null, mail_id: null, status_code: 403 }));
  await apiLog.close();
  const { rows } = await context.ctx.db.query("SELECT * FROM api_logs ORDER BY id");
  const [{ id: _, ...first }, second] = [rows[0] ?? {}, rows[1] ?? {}];
  assert.equal(first, {
    client_id: "client_sales",
    client_name: "業務部",
    request_ip: "10.1.2.3",
    endpoint: "/api/v1/mail/send",
    method: "POST",
    mail_id: "7f1c2b3a-0000-4000-8000-00000000000a",
    status_code: 200,
    response_time_ms: 1,
    created_at: new Date("2026-01-20T10:00:00.501Z"),
  });
  assert.equal([second["request_ip"], second["mail_id"], second["status_code"]], [null, null, 403]);
});

test("rows wait for company, for no longer than the time that was set", async ({ context }) => {
  const { apiLog, statements } = openLog(context, { everyMs: 100 });
  for (const n of upTo(20)) apiLog.add(aRow(n));
  assert.is(statements(), 0, "nothing is written while a request waits");
  await eventually(async () => (await written(context)).length === 20, { what: "all are written" });
  assert.is(statements(), 1);
  assert.equal(await written(context), upTo(20));
  await apiLog.close();
});

test("a full batch does not wait, and what is left is written when it closes", async ({ context }) => {
  const { apiLog, statements } = openLog(context, { batch: 100, everyMs: 60_000 });
  for (const n of upTo(250)) apiLog.add(aRow(n));
  await eventually(async () => (await written(context)).length === 200, { what: "two batches are written" });
  await apiLog.close();
  assert.equal(await written(context), upTo(250));
  assert.is(statements(), 3);
});

test("a row that the database does not take costs its batch, and not the log", async ({ context }) => {
  const { apiLog, dropped } = openLog(context, { batch: 2, everyMs: 10 });
  for (const row of [aRow(0), aRow(1, { request_ip: "nowhere" }), aRow(2), aRow(3)]) apiLog.add(row);
  await apiLog.close();
  assert.equal(await written(context), [2, 3]);
  assert.is(await dropped(), 2);
});

test("with PostgreSQL away rows wait; too many, and the oldest go, are counted, and nobody is held up", async () => {
  const server = await startPostgres({ durable: false });
  const context = await openContext({ env: { DATABASE_URL: server.url } });
  const { apiLog, dropped, statements } = openLog(context, { batch: 10, everyMs: 50, capacity: 100 });
  await server.stop();
  for (const n of upTo(60)) apiLog.add(aRow(n));
  await eventually(() => statements() >= 3, { what: "it is tried again" });
  assert.ok(statements() < 20, "but not at every row");
  assert.is(await dropped(), 0);
  for (const n of upTo(90, 60)) apiLog.add(aRow(n));
  await eventually(async () => ((await dropped()) ?? 0) >= 50, { what: "the oldest are dropped" });
  await server.start();
  await eventually(async () => (await written(context)).at(-1) === 149, { what: "the rest is written" });
  await apiLog.close();
  const kept = await written(context);
  assert.equal(kept, upTo(kept.length, 150 - kept.length), "the newest, in their order");
  assert.ok(kept.length >= 90 && kept.length <= 100, String(kept.length));
  assert.is(kept.length + ((await dropped()) ?? 0), 150);
  await context.close();
  await server.close();
});

test("closing while PostgreSQL is away ends, and says how much is lost", async () => {
  const server = await startPostgres({ durable: false });
  const context = await openContext({ env: { DATABASE_URL: server.url } });
  const { apiLog, dropped } = openLog(context);
  await server.stop();
  for (const n of upTo(3)) apiLog.add(aRow(n));
  await apiLog.close();
  assert.is(await dropped(), 3);
  await context.close();
  await server.close();
});

test.run();
