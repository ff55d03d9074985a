import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../ops/harness/context.ts";
import { ClientToken, openEntities } from "./entities.ts";

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
  tokenHash: "0".repeat(64),
  createdAt: new Date("2026-01-20T10:00:00.123Z"),
  revokedAt: null,
  isActive: true,
});

test("what is written is what is read, by entity and by SQL", async ({ context }) => {
  const { ctx } = context;
  const given = row(crypto.randomUUID(), "client_a");
  const em = ctx.entities.fork();
  em.create(ClientToken, given);
  await em.flush();
  const found = await ctx.entities.fork().findOneOrFail(ClientToken, { id: given.id });
  assert.equal({ ...found }, given);
  const { rows } = await ctx.db.query("SELECT permissions, created_at FROM client_tokens WHERE id = $1", [given.id]);
  assert.equal(rows, [{ permissions: given.permissions, created_at: given.createdAt }]);
});

test("a unit of work sees nothing of another's changes before they are written", async ({ context }) => {
  const { entities } = context.ctx;
  const [one, other] = [entities.fork(), entities.fork()];
  one.create(ClientToken, row(crypto.randomUUID(), "client_b"));
  assert.is(await other.count(ClientToken, { clientId: "client_b" }), 0);
  await one.flush();
  assert.is(await other.count(ClientToken, { clientId: "client_b" }), 1);
});

test("every property has its column, with the same nullability", async ({ context }) => {
  const { db, entities } = context.ctx;
  const columns = await db.query<{ name: string; nullable: boolean }>(
    `SELECT column_name AS name, is_nullable = 'YES' AS nullable FROM information_schema.columns
     WHERE table_name = 'client_tokens'`,
  );
  const { props } = entities.fork().getMetadata().get(ClientToken);
  const mapped = props.map(({ fieldNames, nullable }) => [fieldNames[0], nullable ?? false].join(" "));
  assert.equal(mapped.toSorted(), columns.rows.map(({ name, nullable }) => `${name} ${nullable}`).toSorted());
});

test("opening needs no server, using one that is away fails within seconds", async () => {
  const url = "postgres://postgres@127.0.0.1:1/x";
  const entities = await openEntities({ url, log: pino({ level: "silent" }) });
  const started = performance.now();
  const failure = await entities
    .fork()
    .count(ClientToken)
    .catch((error: unknown) => error);
  assert.instance(failure, Error);
  assert.ok(performance.now() - started < 3000);
  await entities.close();
});

test.run();
