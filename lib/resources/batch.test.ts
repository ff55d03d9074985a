import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually, emptyDatabase } from "../../ops/harness/test.ts";
import { isUnavailable, openDatabase, type Database, type Statement } from "./database.ts";

interface Mail {
  id: number;
  subject?: string;
}

/** `xmin` is the transaction that wrote the row: rows of one commit have the same. */
const insertMail: Statement<Mail, { id: number; commit: string }> = {
  name: "insert mail",
  sql: `WITH r AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (i int, id int, subject text)),
        w AS (INSERT INTO mails SELECT id, subject FROM r RETURNING id, xmin::text AS commit)
        SELECT r.i, w.id, w.commit FROM w JOIN r USING (id)`,
};

const test = suite<{ database: Database }>("batch");

const openOn = (url: string) =>
  openDatabase({ url, poolSize: 4, applicationName: "test", log: pino({ level: "silent" }) });

async function withTable(url: string): Promise<Database> {
  const database = await openOn(url);
  await database.query("CREATE TABLE mails (id int PRIMARY KEY CHECK (id <> 13), subject varchar(20))");
  return database;
}

test.before.each(async (context) => {
  context.database = await withTable(await emptyDatabase());
});
test.after.each(({ database }) => database.close());

const range = (length: number): number[] => Array.from({ length }, (_, i) => i + 100);
const commits = (answers: { commit: string }[][]): Set<string | undefined> =>
  new Set(answers.map(([row]) => row?.commit));

async function outcomes(calls: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => (one.status === "fulfilled" ? "ok" : String(one.reason?.code ?? one.reason)));
}

test("calls made together share one commit, and each gets its own answer", async ({ database }) => {
  const ids = range(100);
  const answers = await Promise.all(ids.map((id) => database.batch(insertMail, { id })));
  assert.equal(
    answers.map(([row]) => row?.id),
    ids,
  );
  assert.is(commits(answers).size, 1);
});

test("calls made while a batch is under way share the next one", async ({ database }) => {
  // The first batch waits for this lock.
  const { promise: freed, resolve: free } = Promise.withResolvers<void>();
  const lock = database.transaction(async ({ query }) => {
    await query("LOCK TABLE mails");
    await freed;
  });
  await eventually(
    async () => (await database.query("SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")).rowCount,
    {
      what: "the lock is held",
    },
  );
  const first = database.batch(insertMail, { id: 1 });
  const waiting = async (count: number) =>
    (await database.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount === count;
  await eventually(() => waiting(1), { what: "the first batch is under way" });
  const second = database.batch(insertMail, { id: 2 });
  await eventually(() => waiting(2), { what: "the second batch is under way" });
  const third = range(50).map((id) => database.batch(insertMail, { id }));
  await database.query("SELECT");
  const late = database.batch(insertMail, { id: 3 });
  assert.ok(await waiting(2), "no more than two at once");
  free();
  await lock;
  assert.is(commits(await Promise.all([first, second, ...third, late])).size, 3);
});

test("a full batch leaves the rest to the next", async ({ database }) => {
  const small = { ...insertMail, max: 10 };
  const answers = await Promise.all(range(95).map((id) => database.batch(small, { id })));
  assert.is(commits(answers).size, 10);
});

test("a poisoned row fails alone, and the others of its batch are kept", async ({ database }) => {
  await database.batch(insertMail, { id: 7 });
  const rows: Mail[] = [
    ...range(60).map((id) => ({ id })),
    { id: 13 }, // breaks the check
    { id: 7 }, // exists already
    { id: 1, subject: "much longer than twenty characters" },
    { id: 2, subject: "a zero: \u0000" },
    { id: 3, subject: "half a pair: \ud83d" },
  ];
  const got = await outcomes(rows.map((row) => database.batch(insertMail, row)));
  assert.equal(
    got.slice(0, 60),
    range(60).map(() => "ok"),
  );
  assert.equal(got.slice(60), ["23514", "23505", "22001", "22P05", "22P02"]);
  assert.is((await database.query("SELECT * FROM mails")).rowCount, 61);
});

test("of two calls for one key in the same batch, the first wins and the second is told", async ({ database }) => {
  const same = [1, 2, 1, 3].map((id) => database.batch(insertMail, { id }));
  assert.equal(await outcomes(same), ["ok", "ok", "23505", "ok"]);
});

test("a row that is no JSON fails alone; a row changed afterwards is written as it was", async ({ database }) => {
  const circular: Mail & { self?: unknown } = { id: 1 };
  circular.self = circular;
  const changing = { id: 2, subject: "before" };
  const calls = [database.batch(insertMail, circular), database.batch(insertMail, changing)];
  changing.subject = "after";
  assert.match((await outcomes(calls)).join(), /^TypeError.*circular[^]*,ok$/);
  assert.equal((await database.query("SELECT subject FROM mails")).rows, [{ subject: "before" }]);
});

test("a call may have no rows as its answer, or several", async ({ database }) => {
  const series: Statement<{ count: number }, { n: number }> = {
    name: "series",
    sql: "SELECT i, generate_series(1, count) AS n FROM jsonb_to_recordset($1::jsonb) AS r (i int, count int)",
  };
  const answers = await Promise.all([0, 3, 1].map((count) => database.batch(series, { count })));
  assert.equal(
    answers.map((rows) => rows.map(({ n }) => n)),
    [[], [1, 2, 3], [1]],
  );
});

const version = (number: number): Statement<object, { version: number }> => ({
  name: "version",
  sql: `SELECT i, ${number} AS version FROM jsonb_to_recordset($1::jsonb) AS r (i int)`,
});

test("a statement of the same name with other SQL never shares a batch with the old one", async ({ database }) => {
  const answers = await Promise.all([1, 2, 1, 2].map((number) => database.batch(version(number), {})));
  assert.equal(
    answers.map(([row]) => row?.version),
    [1, 2, 1, 2],
  );
});

test("an error of the statement itself is everybody's, and says what it is", async ({ database }) => {
  const wrong: Statement<object, object> = {
    name: "wrong",
    sql: "SELECT i FROM no_such_table, jsonb_to_recordset($1::jsonb) AS r (i int)",
  };
  assert.equal(await outcomes([database.batch(wrong, {}), database.batch(wrong, {})]), ["42P01", "42P01"]);
  const forgetful: Statement<object, object> = {
    name: "forgetful",
    sql: "SELECT 1 AS one FROM jsonb_array_elements($1::jsonb)",
  };
  assert.match((await outcomes([database.batch(forgetful, {})])).join(), "forgetful returned a row without a valid i");
});

test("a batch that PostgreSQL ends for a deadlock runs again", async ({ database }) => {
  await Promise.all([1, 2].map((id) => database.batch(insertMail, { id })));
  const lockInOrder: Statement<Mail, { id: number }> = {
    name: "lock in order",
    sql: `SELECT r.i, m.id FROM jsonb_to_recordset($1::jsonb) AS r (i int, id int),
          LATERAL (SELECT id FROM mails WHERE id = r.id FOR UPDATE) AS m`,
  };
  const calls: Promise<{ id: number }[]>[] = [];
  await database.transaction(async ({ query }) => {
    // Leaves it to the other side to notice.
    await query("SET LOCAL deadlock_timeout = '60s'");
    await query("SELECT FROM mails WHERE id = 1 FOR UPDATE");
    calls.push(...[2, 1].map((id) => database.batch(lockInOrder, { id })));
    await eventually(async () => (await database.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount, {
      what: "the batch has locked 2 and waits for 1",
    });
    await query("SELECT FROM mails WHERE id = 2 FOR UPDATE");
  });
  const deadlocks = "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()";
  assert.equal(
    (await Promise.all(calls)).flat().map(({ id }) => id),
    [2, 1],
  );
  await eventually(async () => (await database.query<{ deadlocks: number }>(deadlocks)).rows[0]?.deadlocks, {
    // An idle connection reports its statistics up to ten seconds late.
    within: 15_000,
    what: "it was a deadlock",
  });
});

test("rows of megabytes arrive as they are, alone and beside small ones", async ({ database }) => {
  await database.query("ALTER TABLE mails ALTER subject TYPE text");
  const subjects = ['漢字 ✓ \u{1f600} \\ " '.repeat(500_000), "small", "ü".repeat(2 ** 20), "x".repeat(2 ** 21), ""];
  await Promise.all(subjects.map((subject, id) => database.batch(insertMail, { id, subject })));
  const { rows } = await database.query<{ subject: string }>("SELECT subject FROM mails ORDER BY id");
  for (const [id, subject] of subjects.entries()) assert.ok(rows[id]?.subject === subject, `subject ${id}`);
});

test("two calls that write one key each have their turn, as if they had come apart", async ({ database }) => {
  const upsert: Statement<Mail, { subject: string }> = {
    name: "upsert",
    sql: `WITH r AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (i int, id int, subject text)),
          w AS (INSERT INTO mails SELECT id, subject FROM r
                ON CONFLICT (id) DO UPDATE SET subject = excluded.subject RETURNING id, subject)
          SELECT i, w.subject FROM w JOIN r USING (id)`,
  };
  const rows = ["one", "two", "three"].map((subject) => database.batch(upsert, { id: 1, subject }));
  assert.equal(
    (await Promise.all(rows)).flat().map(({ subject }) => subject),
    ["one", "two", "three"],
  );
  assert.equal((await database.query("SELECT subject FROM mails")).rows, [{ subject: "three" }]);
});

test("a lost connection rejects every call with an error that says so, and the next call works", async () => {
  const server = await startPostgres({ durable: false });
  const database = await withTable(server.url);
  await server.kill();
  const calls = await Promise.allSettled(range(20).map((id) => database.batch(insertMail, { id })));
  for (const call of calls) assert.ok(call.status === "rejected" && isUnavailable(call.reason));
  await server.start();
  await eventually(() => database.batch(insertMail, { id: 1 }), { what: "batches work again" });
  await database.close();
  await server.close();
});

test.run();
