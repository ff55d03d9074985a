import { createServer, type Socket } from "node:net";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startPostgres } from "../../ops/harness/services.ts";
import { eventually, emptyDatabase } from "../../ops/harness/test.ts";
import { isOverdue, isUnavailable, openDatabase, type Database, type DatabaseOptions } from "./database.ts";

const test = suite("database");

const open = (url: string, options: Partial<DatabaseOptions> = {}): Promise<Database> =>
  openDatabase({ url, poolSize: 4, applicationName: "test", log: pino({ level: "silent" }), ...options });

async function failure(attempt: Promise<unknown>): Promise<{ error: Error; ms: number }> {
  const start = performance.now();
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("expected an error");
  return { error, ms: performance.now() - start };
}

/** A server that takes connections, or what was to follow, and never says a word. */
async function silentServer(): Promise<{ url: string; close(): void }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `postgres://somebody:secret@127.0.0.1:${typeof address === "object" && address?.port}/mail`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("with the server stopped a query fails within a second, and works again once it is back", async () => {
  const server = await startPostgres({ durable: false });
  const database = await open(server.url);
  await database.query("CREATE TABLE mails (id int)");
  assert.is(database.isUp(), true);

  for (const end of [server.stop, server.kill]) {
    const inFlight = failure(database.query("SELECT pg_sleep(5)"));
    await eventually(
      async () => (await database.query("SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(_)'")).rowCount,
      {
        what: "a query is under way",
      },
    );
    await end();
    assert.ok(isUnavailable((await inFlight).error), String((await inFlight).error));
    for (let i = 0; i < 3; i++) {
      const { error, ms } = await failure(database.query("SELECT * FROM mails"));
      assert.ok(isUnavailable(error), String(error));
      assert.ok(ms < 1000, `took ${ms} ms`);
    }
    assert.is(database.isUp(), false);

    await server.start();
    await eventually(() => database.isUp(), { what: "the database is up by itself" });
    assert.is((await database.query("SELECT * FROM mails")).rowCount, 0);
  }
  await database.close();
  await server.close();
});

test("a server that takes the connection and never answers costs less than a second", async () => {
  const server = await silentServer();
  const { error, ms } = await failure(open(server.url));
  assert.ok(ms < 1000, `took ${ms} ms`);
  assert.match(error.message, /^PostgreSQL at 127\.0\.0\.1:\d+\/mail cannot be reached: /);
  assert.not.match(error.message, "secret");
  server.close();
});

test("a server that hangs in the middle of a query does not hang us", async () => {
  const server = await startPostgres({ durable: false });
  const database = await open(server.url, { statementMs: 300 });
  const { rows } = await database.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const pid = rows[0]?.pid ?? 0;
  process.kill(pid, "SIGSTOP");
  const { error, ms } = await failure(database.query("SELECT 1"));
  process.kill(pid, "SIGCONT");
  assert.ok(isUnavailable(error), String(error));
  assert.ok(ms < 2000, `took ${ms} ms`);
  assert.is((await database.query("SELECT 1")).rowCount, 1);
  await database.close();
  await server.close();
});

test("a statement that runs too long is ended, which does not mean that the database is away", async () => {
  const database = await open(await emptyDatabase(), { statementMs: 100 });
  const { error } = await failure(database.query("SELECT pg_sleep(10)"));
  assert.match(error.message, "statement timeout");
  assert.ok(isOverdue(error));
  assert.ok(isOverdue(new Error("of an entity", { cause: error })));
  assert.is(isUnavailable(error), false);
  assert.is(database.isUp(), true);
  await database.close();
});

test("with every connection busy a query is turned away within a second, and the database still counts as up", async () => {
  const database = await open(await emptyDatabase(), { poolSize: 2 });
  const busy = [1, 2].map(() => database.query("SELECT pg_sleep(1.5)"));
  const { error, ms } = await failure(database.query("SELECT 1"));
  assert.ok(isUnavailable(error), String(error));
  assert.is(isOverdue(error), false);
  assert.ok(ms < 1000, `took ${ms} ms`);
  assert.is(database.isUp(), true);
  await Promise.all(busy);
  await database.close();
});

test("opening waits for a server that is still on its way", async () => {
  const server = await startPostgres({ durable: false });
  await server.stop();
  const refused = await failure(open(server.url));
  assert.match(refused.error.message, /^PostgreSQL at 127\.0\.0\.1:\d+\/postgres cannot be reached: ECONNREFUSED\.$/);
  const waiting = open(server.url, { waitMs: 30_000 });
  await server.start();
  await (await waiting).close();
  await server.close();
});

test("what is wrong with the address or the password is said, without the password", async () => {
  const url = new URL(await emptyDatabase());
  url.password = "top-secret";
  url.pathname = "/no_such_database";
  const { error } = await failure(open(url.href, { waitMs: 60_000 }));
  assert.match(error.message, 'database "no_such_database" does not exist');
  assert.not.match(error.message, "top-secret");
});

test("a transaction keeps all or nothing, and says so when PostgreSQL has rolled it back", async () => {
  const database = await open(await emptyDatabase(), { poolSize: 1 });
  await database.query("CREATE TABLE mails (id int PRIMARY KEY)");
  const count = async () => (await database.query("SELECT * FROM mails")).rowCount;

  const kept = await database.transaction(async ({ query }) => {
    await query("INSERT INTO mails VALUES ($1)", [1]);
    return "kept";
  });
  assert.is(kept, "kept");
  assert.is(await count(), 1);

  const thrown = await failure(
    database.transaction(async ({ query }) => {
      await query("INSERT INTO mails VALUES (2)");
      throw new Error("changed my mind");
    }),
  );
  assert.is(thrown.error.message, "changed my mind");
  assert.is(await count(), 1);

  const swallowed = await failure(
    database.transaction(async ({ query }) => {
      await query("INSERT INTO mails VALUES (3)");
      await query("INSERT INTO mails VALUES (1)").catch(() => {});
    }),
  );
  assert.match(swallowed.error.message, "was rolled back");
  assert.is(await count(), 1);
  await database.close();
});

test("of two transactions that wait for each other, PostgreSQL ends one, and it runs again", async () => {
  const database = await open(await emptyDatabase());
  await database.query("CREATE TABLE counts AS SELECT id, 0 AS n FROM generate_series(1, 2) AS id");
  let begun = 0;
  const bothBegan = Promise.withResolvers<void>();
  const raise = (ids: readonly number[]) =>
    database.transaction(async ({ query }) => {
      for (const id of ids) {
        await query("UPDATE counts SET n = n + 1 WHERE id = $1", [id]);
        if (++begun === 2) bothBegan.resolve();
        await bothBegan.promise;
      }
    });
  await Promise.all([raise([1, 2]), raise([2, 1])]);
  assert.ok(begun > 4, "one of them began again");
  const { rows } = await database.query<{ n: number }>("SELECT n FROM counts");
  assert.equal(rows, [{ n: 2 }, { n: 2 }]);
  await database.close();
});

test("an ordinary error does not cost the connection", async () => {
  const database = await open(await emptyDatabase(), { poolSize: 1 });
  const pid = async () => (await database.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;
  const before = await pid();
  await failure(database.query("SELECT 1/0"));
  await failure(database.transaction(({ query }) => query("SELECT 1/0")));
  assert.is(await pid(), before);
  await database.close();
});

test("closing lets what was accepted finish", async () => {
  const url = await emptyDatabase();
  const database = await open(url);
  await database.query("CREATE TABLE mails (id int)");
  const sql = `INSERT INTO mails SELECT id FROM jsonb_to_recordset($1::jsonb) AS r (id int)`;
  const accepted = [1, 2, 3].map((id) => database.batch({ name: "insert", sql }, { id }));
  await Promise.all([database.close(), database.close()]);
  await Promise.all(accepted);
  const again = await open(url);
  assert.is((await again.query("SELECT * FROM mails")).rowCount, 3);
  await again.close();
});

test.run();
