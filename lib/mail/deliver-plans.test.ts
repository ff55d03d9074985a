/** How PostgreSQL finds the mails of the statements that every delivery runs, as its plans stay: for whatever comes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { claimMails, settleMails } from "./deliver.sql.ts";

const test = suite<{ context: TestContext }>("plans of claim and settle");

test.before.each(async (state) => void (state.context = await openContext()));
test.after.each(({ context }) => context.close());

const fill = (status: string) => `
  INSERT INTO mails (from_address, to_addresses, subject, client_id, status)
  SELECT 'sales@acme.example', '{ann@example.com}', '', 'client_sales', '${status}' FROM generate_series(1, 2000)`;

for (const [table, ...before] of [
  ["new"],
  ["full of queued mail", fill("queued"), "ANALYZE mails"],
  ["without queued mail", fill("sent"), "ANALYZE mails"],
  ["of which nothing is known", fill("sent"), fill("queued"), fill("processing")],
] as const) {
  for (const { name, sql } of [claimMails, settleMails]) {
    test(`${name}: by its id, in a table that is ${table}`, async ({ context }) => {
      const plan = await context.ctx.db.transaction(async (tx) => {
        for (const statement of before) await tx.query(statement);
        await tx.query("SET LOCAL plan_cache_mode = force_generic_plan");
        await tx.query(`PREPARE ${name} (text) AS ${sql}`);
        const { rows } = await tx.query<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE ${name} ('[]')`);
        await tx.query(`DEALLOCATE ${name}`);
        return rows.map((row) => row["QUERY PLAN"]).join("\n");
      });
      assert.match(plan, "Index Scan using mails_pkey on mails");
      assert.not.match(plan, /Seq Scan on mails|mails_due|mails_leased|mails_unsent|mails_failed/, plan);
    });
  }
}

test.run();
