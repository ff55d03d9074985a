/** RabbitMQ, Redis and PostgreSQL go away and come back, while the system goes on. */
import { connect } from "amqplib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startPostgres, startRabbit, startRedis, type Rabbit, type Server } from "../harness/services.ts";
import { eventually } from "../harness/test.ts";
import { startSystem, stopAll, type Answer, type System } from "./system.ts";

const outages = suite("outages");
let system: System;
let postgres: Server;
let redis: Server;
let rabbit: Rabbit;

outages.before(async () => {
  [postgres, redis, rabbit] = await Promise.all([startPostgres(), startRedis(), startRabbit()]);
  system = await startSystem({
    env: { DATABASE_URL: postgres.url, KEYDB_URL: redis.url, RABBITMQ_URL: rabbit.url },
  });
});
outages.after(async () => {
  await stopAll();
  await Promise.all([postgres.close(), redis.close(), rabbit.close()]);
});

const all = (count: number) => Array.from({ length: count });
const health = () => system.call("/health", { token: null });

/** Waits until the health page says exactly these parts are away. */
async function healthSays(...away: string[]): Promise<void> {
  const wanted = JSON.stringify(
    Object.fromEntries(["postgresql", "keydb", "rabbitmq"].map((part) => [part, away.includes(part) ? "error" : "ok"])),
  );
  const answer = await eventually(
    async () => {
      const now = await health();
      return JSON.stringify(now.body["services"]) === wanted && now;
    },
    { what: `health says ${wanted}`, within: 10_000 },
  );
  assert.ok(answer);
  assert.is(answer.status, away.length > 0 ? 503 : 200);
  assert.is(answer.body["status"], away.length > 0 ? "degraded" : "healthy");
}

outages("with everything there, mail is sent and health is well", async () => {
  await healthSays();
  assert.is((await system.settled(await system.accept())).status, "sent");
});

outages("RabbitMQ away: mail is still accepted, quickly, and waits", async () => {
  await rabbit.stop();
  await healthSays("rabbitmq");
  const ids = await Promise.all(
    all(50).map(async () => {
      const answer = await system.send();
      assert.is(answer.status, 200, answer.text);
      assert.ok(answer.ms < 1000, `${answer.ms} ms`);
      return String(answer.body["mail_id"]);
    }),
  );
  assert.is((await system.status(ids[0] ?? "")).status, "queued");

  const starting = rabbit.start();
  await eventually(async () => await (await connect(rabbit.url)).close().then(() => true), {
    what: "RabbitMQ takes connections",
    within: 60_000,
  });
  const back = performance.now();
  for (const id of ids) assert.is((await system.settled(id, 5000)).status, "sent");
  const took = performance.now() - back;
  assert.ok(took < 5000, `sent ${took} ms after RabbitMQ's return`);
  await starting;
  await healthSays();
  await sentOnce(ids);
});

outages("RabbitMQ killed under load: everything accepted is sent, once", async () => {
  const ids: string[] = [];
  const stopping = new AbortController();
  const clients = all(4).map(async () => {
    while (!stopping.signal.aborted) ids.push(await system.accept());
  });
  await eventually(() => ids.length > 50, { what: "mails are accepted" });
  await rabbit.kill();
  const atKill = ids.length;
  await eventually(() => ids.length > atKill + 50, { what: "mails are accepted without RabbitMQ" });
  await rabbit.start();
  const atReturn = ids.length;
  await eventually(() => ids.length > atReturn + 20, { what: "mails are accepted again" });
  stopping.abort();
  await Promise.all(clients);
  // One whose message was lost with RabbitMQ is published again when its grace of 30 s has passed.
  const deadline = performance.now() + 40_000;
  for (const id of ids) assert.is((await system.settled(id, deadline - performance.now())).status, "sent");
  await sentOnce(ids);
});

outages("Redis away: everything works, only health says so", async () => {
  await redis.stop();
  await healthSays("keydb");
  const answer = await system.send();
  assert.is(answer.status, 200);
  assert.ok(answer.ms < 1000, `${answer.ms} ms`);
  assert.is((await system.settled(String(answer.body["mail_id"]))).status, "sent");
  await redis.start();
  await healthSays();
});

outages("what Redis remembers of a mail that was sent while it was away is not believed", async () => {
  await rabbit.stop();
  await healthSays("rabbitmq");
  const id = await system.accept();
  assert.is((await system.status(id)).status, "queued");
  await redis.stop();
  await rabbit.start();
  assert.is((await system.settled(id)).status, "sent");
  await redis.start();
  await healthSays();
  assert.is((await system.status(id)).status, "sent");
});

for (const [how, end] of [
  ["stopped", () => postgres.stop()],
  ["killed", () => postgres.kill()],
] as const) {
  outages(`PostgreSQL ${how}: told within a second, back without a restart, nothing lost`, async () => {
    const ids = await Promise.all(all(30).map(() => system.accept()));
    const { pid } = system;
    await end();
    const answers: Answer[] = await Promise.all(all(20).map(() => system.send()));
    for (const answer of answers) {
      assert.is(answer.status, 503, answer.text);
      assert.is(answer.body["error"], "service_unavailable");
      assert.ok(answer.ms < 1500, `${answer.ms} ms`);
    }
    const alone = await system.send();
    assert.is(alone.status, 503);
    assert.ok(alone.ms < 1000, `${alone.ms} ms`);
    await healthSays("postgresql");
    assert.is((await system.call("/health/ready", { token: null })).status, 503);

    await postgres.start();
    await eventually(async () => (await system.send()).status === 200, { what: "mail is accepted again" });
    assert.is(system.pid, pid);
    await healthSays();
    for (const id of ids) assert.is((await system.settled(id, 15_000)).status, "sent");
    await sentOnce(ids);
  });
}

/** A copy more is allowed for each attempt whose outcome is on record as unknown. */
async function sentOnce(ids: readonly string[]): Promise<void> {
  const inbox = await system.inbox();
  const copies = Map.groupBy(inbox, (file) => file.split(".")[0]);
  for (const id of ids) {
    const { events } = await system.status(id);
    const unknown = events.filter(({ type }) => type === "outcome_unknown").length;
    const count = copies.get(id)?.length ?? 0;
    assert.ok(count >= 1 && count <= 1 + unknown, `mail ${id} came ${count} times with ${unknown} unknown outcomes`);
  }
}

outages.run();
