import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { sumTotals } from "./totals.ts";
import { selectTotal } from "./totals.sql.ts";

const test = suite<{ context: TestContext }>("totals of mail");

test.before(async (state) => {
  state.context = await openContext({ env: { DATABASE_POOL_SIZE: "12" } });
});
test.before.each(async ({ context }) => void (await context.ctx.db.query("TRUNCATE mails CASCADE")));
test.after(({ context }) => context.close());

const clients = ["client_a", "client_b", "client_c"];
const statuses = ["queued", "processing", "sent", "failed", "cancelled"];
const rounds = 100;

const add = ({ ctx }: TestContext, client: string, status: string, count = 1) =>
  ctx.db.query(
    `INSERT INTO mails (from_address, to_addresses, subject, client_id, status)
     SELECT 'a@example.com', '{b@example.com}', 'Hello', $1, $2 FROM generate_series(1, $3)`,
    [client, status, count],
  );

/** The total as it is told, beside what is there, both of one moment. */
async function compare({ ctx }: TestContext, where = "TRUE"): Promise<{ told: number; there: number }> {
  const { rows } = await ctx.db.query<{ told: number; there: number }>(
    `SELECT told.mails::float8 AS told, (SELECT count(*)::int FROM mails WHERE ${where}) AS there
     FROM (${selectTotal(where)}) AS told`,
  );
  return rows[0] ?? { told: NaN, there: 0 };
}

async function exact(context: TestContext): Promise<void> {
  for (const client of clients) {
    for (const status of statuses) {
      const where = `client_id = '${client}' AND status = '${status}'`;
      const { told, there } = await compare(context, where);
      assert.is(told, there, where);
    }
  }
  const { told, there } = await compare(context);
  assert.is(told, there);
}

const one = <T>(values: readonly T[]): T => {
  const [value] = values.slice(Math.floor(Math.random() * values.length));
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
};

test("at every moment the total is what is there, whoever writes and sums up at the same time", async ({ context }) => {
  const { ctx } = context;
  let writers = 4;
  const someIds = "SELECT id FROM mails ORDER BY random() LIMIT 7 FOR UPDATE SKIP LOCKED";
  const steps = [
    () => add(context, one(clients), one(statuses), 1 + Math.floor(Math.random() * 20)),
    () => ctx.db.query(`UPDATE mails SET status = $1 WHERE id IN (${someIds})`, [one(statuses)]),
    () => ctx.db.query(`UPDATE mails SET client_id = $1 WHERE id IN (${someIds})`, [one(clients)]),
    () => ctx.db.query(`UPDATE mails SET retry_count = retry_count + 1 WHERE id IN (${someIds})`),
    () => ctx.db.query(`DELETE FROM mails WHERE id IN (${someIds})`),
    async () => {
      const undone = ctx.db.transaction(async (db) => {
        await db.query(`DELETE FROM mails WHERE id IN (${someIds})`);
        throw new Error("on second thoughts");
      });
      await undone.catch(() => undefined);
    },
  ];
  const write = async () => {
    for (let round = 0; round < rounds; round++) await one(steps)();
    writers--;
  };
  const sumUp = async () => {
    while (writers > 0) await sumTotals(ctx);
  };
  let looks = 0;
  const look = async () => {
    for (; writers > 0; looks++) {
      const where = one(["TRUE", `client_id = '${one(clients)}'`, `status = '${one(statuses)}'`]);
      const { told, there } = await compare(context, where);
      assert.is(told, there, where);
      await pause(1);
    }
  };
  await Promise.all([write(), write(), write(), write(), sumUp(), sumUp(), look(), look()]);
  assert.ok(looks > 10, `looked ${looks} times`);
  await exact(context);
  await sumTotals(ctx);
  await exact(context);
});

test("what is summed up leaves nothing behind to be read again", async ({ context }) => {
  const { ctx } = context;
  for (let i = 0; i < 1100; i++) await add(context, "client_a", one(statuses));
  await sumTotals(ctx);
  const { rows } = await ctx.db.query<{ changes: number; pages: number }>(
    `SELECT (SELECT count(*)::int FROM mail_total_changes) AS changes, relpages AS pages
     FROM pg_class WHERE relname = 'mail_total_changes'`,
  );
  assert.is(rows[0]?.changes, 0);
  assert.ok((rows[0]?.pages ?? 99) > 0, "it has been vacuumed");
  await exact(context);
});

test("a change that leaves status and client alone is no change of a total", async ({ context }) => {
  const { ctx } = context;
  await add(context, "client_a", "queued", 10);
  await sumTotals(ctx);
  await ctx.db.query("UPDATE mails SET due_at = now()");
  const { rows } = await ctx.db.query("SELECT * FROM mail_total_changes");
  assert.equal(rows, []);
});

test("an emptied table has no mails, and a recount finds what was written behind the triggers' back", async ({
  context,
}) => {
  const { ctx } = context;
  await add(context, "client_a", "sent", 10);
  await sumTotals(ctx);
  await add(context, "client_b", "sent", 10);
  await ctx.db.query("TRUNCATE mails CASCADE");
  assert.equal(await compare(context), { told: 0, there: 0 });

  await ctx.db.query("ALTER TABLE mails DISABLE TRIGGER USER");
  await add(context, "client_c", "failed", 3);
  await ctx.db.query("ALTER TABLE mails ENABLE TRIGGER USER");
  assert.equal(await compare(context), { told: 0, there: 3 });
  await ctx.db.query("SELECT recount_mails()");
  await exact(context);
});

test.run();
