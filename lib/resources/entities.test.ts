import { UniqueConstraintViolationException } from "@mikro-orm/core";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { startTcpRelay } from "../../ops/harness/tcp-relay.ts";
import { emptyDatabase } from "../../ops/harness/test.ts";
import { ClientToken } from "./entities.ts";
import { openEntities } from "./entity-manager.ts";

const test = suite<{ context: TestContext }>("entities");

test.before(async (state) => {
  state.context = await openContext();
});
test.after(({ context }) => context.close());

const row = (id: string, clientId: string) => ({
  id,
  clientId,
  clientName: "Sales",
  department: null,
  permissions: ["mail:send", 'odd "one", {two}'],
  quota: { mails_per_hour: 7 },
  tokenHash: "0".repeat(64),
  createdAt: new Date("2026-01-20T10:00:00.123Z"),
  revokedAt: null,
  isActive: true,
});

test("what is written is what is read, by entity and by SQL", async ({ context }) => {
  const { ctx } = context;
  const given = row(crypto.randomUUID(), "client_a");
  const em = await ctx.entities.fork();
  em.create(ClientToken, given);
  await em.flush();
  const other = await ctx.entities.fork();
  const found = await other.findOneOrFail(ClientToken, { id: given.id });
  assert.equal({ ...found }, given);
  const { rows } = await ctx.db.query("SELECT permissions, created_at FROM client_tokens WHERE id = $1", [given.id]);
  assert.equal(rows, [{ permissions: given.permissions, created_at: given.createdAt }]);
});

test("a unit of work sees nothing of another's changes before they are written", async ({ context }) => {
  const { entities } = context.ctx;
  const [one, other] = [await entities.fork(), await entities.fork()];
  one.create(ClientToken, row(crypto.randomUUID(), "client_b"));
  assert.is(await other.count(ClientToken, { clientId: "client_b" }), 0);
  await one.flush();
  assert.is(await other.count(ClientToken, { clientId: "client_b" }), 1);
});

for (const [entity, table] of [
  ["ClientToken", "client_tokens"],
  ["EmailSenderConfig", "email_sender_configs"],
] as const) {
  test(`every property has its column, with the same nullability: ${table}`, async ({ context }) => {
    const { db, entities } = context.ctx;
    const columns = await db.query<{ name: string; nullable: boolean }>(
      `SELECT column_name AS name, is_nullable = 'YES' AS nullable FROM information_schema.columns
       WHERE table_name = $1`,
      [table],
    );
    const { props } = (await entities.fork()).getMetadata().getByClassName(entity);
    const mapped = props.map(({ fieldNames, nullable }) => [fieldNames[0], nullable ?? false].join(" "));
    assert.equal(mapped.toSorted(), columns.rows.map(({ name, nullable }) => `${name} ${nullable}`).toSorted());
  });
}

test("an error tells nothing of a row that the database refused", async ({ context }) => {
  const em = await context.ctx.entities.fork();
  em.create(ClientToken, row(crypto.randomUUID(), "client_twice"));
  em.create(ClientToken, row(crypto.randomUUID(), "client_twice"));
  const failure = await em.flush().catch((error: unknown) => error);
  assert.instance(failure, UniqueConstraintViolationException);
  assert.not(String(failure instanceof Error && failure.stack).includes("client_twice"));
});

const silent = pino({ level: "silent" });

test("outages in the middle of transactions cost no connection", async () => {
  const line = await startTcpRelay(await emptyDatabase());
  const entities = openEntities({ url: line.url, log: silent });
  for (let outage = 1; outage <= 6; outage++) {
    const em = await entities.fork();
    const cut = em.transactional(async (transaction) => {
      await transaction.execute("SELECT 1");
      line.become("refused");
    });
    assert.instance(await cut.catch((error: unknown) => error), Error);
    line.become("open");
  }
  const em = await entities.fork();
  assert.equal(await em.execute("SELECT 1 AS one"), [{ one: 1 }]);
  await entities.close();
  await line.close();
});

test("a connection over which nothing comes any more is given up", async () => {
  const line = await startTcpRelay(await emptyDatabase());
  const entities = openEntities({ url: line.url, log: silent, longestMs: 500 });
  const em = await entities.fork();
  const held = em.transactional(async (transaction) => {
    await transaction.execute("SELECT 1");
    line.become("silent");
    await transaction.execute("SELECT 2");
  });
  assert.instance(await held.catch((error: unknown) => error), Error);
  line.become("open");
  assert.equal(await (await entities.fork()).execute("SELECT 1 AS one"), [{ one: 1 }]);
  await entities.close();
  await line.close();
});

test("opening needs no server, using one that is away fails within seconds", async () => {
  const url = "postgres://postgres@127.0.0.1:1/x";
  const entities = openEntities({ url, log: silent });
  const started = performance.now();
  const em = await entities.fork();
  const failure = await em.count(ClientToken).catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.ok(performance.now() - started < 3000);
  await entities.close();
});

test.run();
