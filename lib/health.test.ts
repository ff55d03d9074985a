import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../ops/harness/context.ts";
import { startPostgres, startRedis } from "../ops/harness/services.ts";
import { eventually, emptyDatabase, freshVhost } from "../ops/harness/test.ts";
import { checkHealth } from "./health.ts";
import { openLink } from "./resources/broker/conformance.fixture.ts";

const test = suite("health");

const services = async ({ ctx }: TestContext) => (await checkHealth(ctx)).services;

test("with all parts there the system is healthy; each that is away is named; back, it is healthy again", async () => {
  const [postgres, redis] = await Promise.all([startPostgres({ durable: false }), startRedis({ durable: false })]);
  const env = { DATABASE_URL: postgres.url, KEYDB_URL: redis.url, RABBITMQ_URL: await freshVhost() };
  const context = await openContext({ env });
  const { ctx } = context;
  const healthy = { postgresql: "ok", keydb: "ok", rabbitmq: "ok" };
  const isHealthy = async () => (await checkHealth(ctx)).status === "healthy";
  await eventually(isHealthy, { what: "healthy" });
  assert.equal(await checkHealth(ctx), { status: "healthy", version: ctx.version, services: healthy });

  await redis.kill();
  await eventually(async () => (await services(context)).keydb === "error", { what: "the cache is missed" });
  assert.equal(await checkHealth(ctx), {
    status: "degraded",
    version: ctx.version,
    services: { ...healthy, keydb: "error" },
    message: "KeyDB is away: status comes from PostgreSQL and rate limits are not enforced",
  });
  await redis.start();
  await eventually(isHealthy, { what: "healthy with the cache back" });

  await postgres.kill();
  const started = performance.now();
  assert.equal(await services(context), { ...healthy, postgresql: "error" });
  assert.ok(performance.now() - started < 1300);
  await postgres.start();
  await eventually(isHealthy, { what: "healthy with PostgreSQL back" });
  await context.close();
  await Promise.all([postgres.close(), redis.close()]);
});

test("with the broker away the rest is well", async () => {
  const context = await openContext();
  assert.equal(await services(context), { postgresql: "ok", keydb: "ok", rabbitmq: "error" });
  await context.close();
});

test("a part that says nothing is waited for no longer than a second", async () => {
  const link = await openLink(new URL(await emptyDatabase()));
  const context = await openContext({ env: { DATABASE_URL: link.url } });
  assert.is((await services(context)).postgresql, "ok");
  link.freeze();
  const started = performance.now();
  assert.is((await services(context)).postgresql, "error");
  assert.ok(performance.now() - started < 1300);
  link.cut();
  await context.close();
});

test.run();
