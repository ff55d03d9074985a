/** How PostgreSQL finds the rows of the statements that every delivery runs, as its plans stay, whatever comes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../ops/harness/context.ts";
import { eventually } from "../ops/harness/test.ts";
import { claimBatches, settleBatches } from "./crm/campaigns/batches.sql.ts";
import { claimEvents, settleEvents } from "./crm/line/events.sql.ts";
import { cancelMails } from "./mail/cancel.sql.ts";
import { insertPlainMail } from "./mail/deliver.fixture.ts";
import { claimMails, settleMails } from "./mail/deliver.sql.ts";
import type { Statement } from "./resources/batch.ts";

const test = suite<{ context: TestContext }>("claim and settle");

test.before.each(async (state) => void (state.context = await openContext()));
test.after.each(({ context }) => context.close());

interface Queue {
  table: string;
  statements: readonly { name: string; sql: string }[];
  /** Two thousand rows in a state. */
  fill(state: string): string;
  waiting: string;
  working: string;
  done: string;
}

const queues: readonly Queue[] = [
  {
    table: "mails",
    statements: [claimMails, settleMails],
    fill: (state) => `
      INSERT INTO mails (from_address, to_addresses, subject, client_id, status)
      SELECT 'sales@acme.example', '{ann@example.com}', '', 'client_sales', '${state}' FROM generate_series(1, 2000)`,
    waiting: "queued",
    working: "processing",
    done: "sent",
  },
  {
    table: "line_events",
    statements: [claimEvents, settleEvents],
    fill: (state) => `
      INSERT INTO line_events (event_id, type, line_uid, occurred_at, due_at, state)
      SELECT gen_random_uuid(), 'follow', 'U1', now(), now(), '${state}' FROM generate_series(1, 2000)`,
    waiting: "received",
    working: "handling",
    done: "handled",
  },
  {
    table: "campaign_batches",
    statements: [claimBatches, settleBatches],
    fill: (state) => `
      WITH template AS (
        INSERT INTO message_templates (name, type, content) VALUES ('${state}', 'text', '') RETURNING id
      ), campaign AS (
        INSERT INTO campaigns (title, template_id, target_audience) SELECT '', id, '{}' FROM template RETURNING id
      )
      INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size, state)
      SELECT id, batch, 1, 1, 1, '${state}' FROM campaign, generate_series(1, 2000) AS batch`,
    waiting: "pending",
    working: "sending",
    done: "sent",
  },
];

for (const { table, statements, fill, waiting, working, done } of queues) {
  for (const [what, ...before] of [
    ["new"],
    ["full of rows that wait", fill(waiting), `ANALYZE ${table}`],
    ["of rows that are done", fill(done), `ANALYZE ${table}`],
    ["of which nothing is known", fill(done), fill(waiting), fill(working)],
  ] as const) {
    test(`by key in a ${table} that is ${what}`, async ({ context }) => {
      for (const { name, sql } of statements) {
        const plan = await context.ctx.db.transaction(async (tx) => {
          for (const statement of before) await tx.query(statement);
          await tx.query("SET LOCAL plan_cache_mode = force_generic_plan");
          await tx.query(`PREPARE ${name} (text) AS ${sql}`);
          const { rows } = await tx.query<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE ${name} ('[]')`);
          await tx.query(`DEALLOCATE ${name}`);
          return rows.map((row) => row["QUERY PLAN"]).join("\n");
        });
        const indexes = [...plan.matchAll(new RegExp(`\\b${table}_\\w+`, "g"))].map(([index]) => index);
        assert.equal([...new Set(indexes)], [`${table}_pkey`], `${name}: ${plan}`);
        assert.not.match(plan, `Seq Scan on ${table}`, `${name}: ${plan}`);
      }
    });
  }
}

const mailStatements = [
  { statement: claimMails, status: "queued", attempt: 1 },
  { statement: settleMails, status: "processing", attempt: 0 },
  { statement: cancelMails, status: "queued", attempt: 0 },
] as const;
for (const { statement, status, attempt } of mailStatements) {
  const { name } = statement;
  test(`${name} locks mails in the order of their ids, whatever order they come in`, async ({ context: { ctx } }) => {
    const [low = "", high = ""] = (await Promise.all([insertPlainMail(ctx), insertPlainMail(ctx)])).toSorted();
    await ctx.db.query("UPDATE mails SET status = $1", [status]);
    const row = {
      attempt,
      client_id: null,
      status: "sent",
      retry_count: 0,
      event: "sent",
      provider: "",
      duration_ms: 1,
    };
    const calls: Promise<unknown>[] = [];
    await ctx.db.transaction(async (tx) => {
      await tx.query("SELECT FROM mails WHERE id = $1 FOR UPDATE", [low]);
      const rest = { ...row, error_message: null, delay_ms: 0, published: false, code: "" };
      calls.push(...[high, low].map((id) => ctx.db.batch(statement as Statement<object, object>, { ...rest, id })));
      await eventually(async () => (await ctx.db.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount, {
        what: "the statement waits for the first",
      });
      await tx.query("SELECT FROM mails WHERE id = $1 FOR UPDATE NOWAIT", [high]);
    });
    assert.is((await Promise.all(calls)).length, 2);
  });
}

test.run();
