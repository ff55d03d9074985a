import { Registry } from "prom-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import type { Broker } from "../../runtime/broker.ts";
import { acceptMail } from "../mail/accept.ts";
import { registerBacklogMetrics } from "./backlog-metrics.ts";

const test = suite<{ context: TestContext }>("metrics of what waits");
test.before(async (state) => {
  state.context = await openContext({ env: { RABBITMQ_URL: "" } });
});
test.after(({ context }) => context.close());

const queues = { mail: "mail-queue", failed: "failed-mails" };

function metricsOf(
  { ctx }: TestContext,
  broker: Pick<Broker, "depth"> = ctx.broker,
  db: Pick<typeof ctx.db, "query"> = ctx.db,
) {
  const registry = new Registry();
  registerBacklogMetrics({ db, broker, queues, registry, freshMs: 0, waitMs: 3000 });
  return async (name: string) => {
    const lines = (await registry.metrics())
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return Object.fromEntries(
      lines.map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
    );
  };
}

test("mail is counted by what it waits for, and the oldest tells for how long", async ({ context }) => {
  const { ctx } = context;
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) ids.push((await acceptMail(ctx, aCaller(), aMail())).id);
  const later = new Date(ctx.clock.now().getTime() + 3_600_000).toISOString();
  await acceptMail(ctx, aCaller(), aMail({ send_at: later }));
  await context.settled();
  const set = (id: string | undefined, sql: string) => ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);
  await set(ids[0], "created_at = now() - interval '90 seconds'");
  await set(ids[1], "status = 'processing', lease_until = now()");
  await set(ids[2], "status = 'failed', updated_at = now() - interval '1 day'");
  const read = metricsOf(context);
  assert.equal(await read("mail_backlog"), {
    '{state="waiting"}': 2,
    '{state="later"}': 1,
    '{state="processing"}': 1,
    '{state="failed"}': 1,
  });
  assert.equal(await read("mails"), {
    '{status="queued"}': 3,
    '{status="processing"}': 1,
    '{status="failed"}': 1,
  });
  const oldest = await read("queue_oldest_seconds");
  assert.ok(Math.abs((oldest['{queue="mail-queue",kind="mail"}'] ?? 0) - 90) < 10, JSON.stringify(oldest));
  assert.ok(Math.abs((oldest['{queue="failed-mails",kind="failed"}'] ?? 0) - 86_400) < 10, JSON.stringify(oldest));
  const messages = await read("queue_messages");
  assert.is(messages['{queue="mail-queue",kind="mail",state="ready"}'], 4);
  assert.is(messages['{queue="failed-mails",kind="failed",state="ready"}'], 0);
});

test("jobs are counted by state, and how late the latest is", async ({ context }) => {
  await context.ctx.db.query(`
    INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, isenabled, nextexecutetime, executionstatus)
    SELECT 'T', 'a@example.com', 'b@example.com', 's', 'b', enabled, now() + after::interval, status FROM (VALUES
      (true, '-2 minutes', 'Pending'), (true, '-1 minute', 'Pending'), (false, '-1 day', 'Pending'),
      (true, '1 day', 'Pending'), (true, '-1 day', 'Failed'), (true, '-1 day', 'Processing')) AS job (enabled, after, status)`);
  const read = metricsOf(context);
  assert.equal(await read("schedule_jobs"), {
    '{state="due"}': 2,
    '{state="planned"}': 1,
    '{state="processing"}': 1,
    '{state="failed"}': 1,
  });
  const late = (await read("schedule_oldest_due_seconds"))[""] ?? 0;
  assert.ok(Math.abs(late - 120) < 10, String(late));
});

test("events of LINE are counted until they are handled, and the oldest tells for how long", async ({ context }) => {
  const read = metricsOf(context);
  assert.equal(await read("line_events"), { '{state="waiting"}': 0, '{state="handling"}': 0 });
  assert.equal(await read("line_events_oldest_seconds"), { "": 0 });
  await context.ctx.db.query(`
    INSERT INTO line_events (event_id, type, line_uid, occurred_at, received_at, state, due_at)
    SELECT 'e' || n, 'message', 'U1', now(), now() - since::interval, state, now() + interval '1 minute' FROM (VALUES
      (1, '1 minute', 'received'), (2, '3 minutes', 'received'), (3, '5 minutes', 'handling'),
      (4, '1 day', 'handled'), (5, '1 day', 'failed')) AS event (n, since, state)`);
  assert.equal(await read("line_events"), { '{state="waiting"}': 2, '{state="handling"}': 1 });
  const oldest = (await read("line_events_oldest_seconds"))[""] ?? 0;
  assert.ok(Math.abs(oldest - 300) < 10, String(oldest));
  await context.ctx.db.query("UPDATE line_events SET state = 'handled' WHERE state = 'handling'");
  const left = (await read("line_events_oldest_seconds"))[""] ?? 0;
  assert.ok(Math.abs(left - 180) < 10, String(left));
});

test("with the broker and the database away the page comes all the same, and says nothing of them", async ({
  context,
}) => {
  const silent = new Promise<never>(() => {});
  const registry = new Registry();
  const away = { depth: () => silent };
  registerBacklogMetrics({ db: { query: () => silent }, broker: away, queues, registry, waitMs: 50 });
  const before = performance.now();
  const text = await registry.metrics();
  assert.ok(performance.now() - before < 1000);
  assert.not.match(text, /^(?:mail_backlog|queue_messages|queue_oldest_seconds|schedule_|line_)[^#]* \d/m);
  const half = metricsOf(context, { depth: () => Promise.reject(new Error("away")) });
  assert.equal(await half("queue_messages"), {});
  assert.is((await half("mail_backlog"))['{state="waiting"}'], 2);
});

test.run();
