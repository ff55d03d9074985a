import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aCaller, aMail, openContext, type TestContext } from "../../ops/harness/context.ts";
import { eventually, freshVhost } from "../../ops/harness/test.ts";
import type { Delivery } from "../../runtime/broker.ts";
import { openLink } from "../resources/broker/conformance.fixture.ts";
import { acceptMail } from "./accept.ts";
import { attemptDelivery } from "./deliver.ts";
import { publishSoon, publishStranded } from "./publish.ts";

const test = suite<{ one: TestContext; other: TestContext; got: Delivery[]; arrivals: number[] }>("publishing mail");

/** Two processes on one database and one broker, and all that is delivered, with the time of its arrival. */
test.before(async (state) => {
  const env = { RABBITMQ_URL: await freshVhost() };
  state.one = await openContext({ env });
  state.other = await openContext({ env: { ...env, DATABASE_URL: state.one.url, DATA_DIR: state.one.folder } });
  const { broker, config } = state.one.ctx;
  state.got = [];
  state.arrivals = [];
  await broker.consume(config.queues.mail, { concurrency: 100 }, async (delivery) => {
    state.got.push(delivery);
    state.arrivals.push(Date.now());
    return { kind: "done" };
  });
});
test.before.each(async ({ one, got, arrivals }) => {
  await one.ctx.db.query("TRUNCATE mails, attachments");
  got.length = arrivals.length = 0;
});
test.after(async ({ one, other }) => {
  await other.close();
  await one.close();
});

const ids = (got: readonly Delivery[]) => got.map(({ message }) => Object.values(message ?? {}).join());

/** Mails that wait, untouched since `age` ago. */
async function stranded({ ctx }: TestContext, count: number, age = "0 seconds", attempt = 0): Promise<string[]> {
  const { rows } = await ctx.db.query<{ id: string }>(
    `INSERT INTO mails (from_address, to_addresses, subject, client_id, attempt, created_at, updated_at, due_at)
     SELECT 'a@acme.example', '{b@example.com}', 'x', 'c', $3, now() - $2::interval, now() - $2::interval, now()
     FROM generate_series(1, $1)
     RETURNING id`,
    [count, age, attempt],
  );
  return rows.map(({ id }) => id);
}

/** In how many seconds the sweep would take the mail next. */
async function turn({ ctx }: TestContext, id: string | undefined): Promise<number | undefined> {
  const { rows } = await ctx.db.query<{ seconds: number }>(
    "SELECT round(extract(epoch FROM due_at - now()))::int AS seconds FROM mails WHERE id = $1",
    [id],
  );
  return rows[0]?.seconds;
}

test("an accepted mail is on the queue at once, with its attempt and its trace", async ({ one, got }) => {
  const { id } = await acceptMail(one.ctx, aCaller(), aMail());
  await eventually(() => got.length === 1, { what: "the message" });
  assert.equal(got, [{ message: { mail_id: id }, attempt: 1, traceparent: one.ctx.trace.traceparent }]);
});

test("two sweeps at once publish each stranded mail once, also thousands", async ({ one, other, got }) => {
  const waiting = await stranded(one, 2500);
  await Promise.all([publishStranded(one.ctx), publishStranded(other.ctx)]);
  await eventually(() => got.length >= 2500, { what: "all messages" });
  assert.equal(ids(got).toSorted(), waiting.toSorted());
  await publishStranded(one.ctx);
  await eventually(async () => (await one.ctx.broker.depth(one.ctx.config.queues.mail)).ready === 0, { what: "empty" });
  assert.is(got.length, 2500, "and not again by the next sweep");
});

test("a mail that was attempted before gets the message of its next attempt", async ({ one, got }) => {
  const [id] = await stranded(one, 1, "0 seconds", 3);
  await publishStranded(one.ctx);
  await eventually(() => got.length === 1, { what: "the message" });
  assert.equal([got[0]?.message, got[0]?.attempt], [{ mail_id: id }, 4]);
});

test("what is not due, and what is not queued, is left alone", async ({ one, got }) => {
  const [later, processing, sent, cancelled, due] = await stranded(one, 5);
  const set = (id: string | undefined, sql: string) => one.ctx.db.query(`UPDATE mails SET ${sql} WHERE id = $1`, [id]);
  await set(later, "due_at = now() + interval '10 seconds'");
  await set(processing, "status = 'processing', lease_until = now() - interval '1 hour'");
  await set(sent, "status = 'sent'");
  await set(cancelled, "status = 'cancelled'");
  await publishStranded(one.ctx);
  await eventually(() => got.length > 0, { what: "a message" });
  assert.equal(ids(got), [due]);
});

test("the longer a mail has waited, the longer until it is published again, but never more than 15 minutes", async ({
  one,
}) => {
  const [fresh] = await stranded(one, 1);
  const [minutes] = await stranded(one, 1, "5 minutes");
  const [hour] = await stranded(one, 1, "1 hour");
  // What counts is how long it has been due: not since it was handed in to be sent later, or before it was retried.
  const [sentLater] = await stranded(one, 1, "30 days");
  await one.ctx.db.query("UPDATE mails SET send_at = now() - interval '1 second' WHERE id = $1", [sentLater]);
  const [retried] = await stranded(one, 1, "30 days");
  await one.ctx.db.query("UPDATE mails SET updated_at = now() WHERE id = $1", [retried]);
  await publishStranded(one.ctx);
  const turns = await Promise.all([fresh, minutes, hour, sentLater, retried].map((id) => turn(one, id)));
  assert.equal(turns, [30, 300, 900, 30, 30]);
});

test("in a backlog of hours a mail is published again only a few times", async ({ one, got }) => {
  const [id] = await stranded(one, 1);
  let [hours, sweeps] = [0, 0];
  // As many sweeps as it takes: each comes when the mail's turn has.
  while (hours < 2) {
    await publishStranded(one.ctx);
    sweeps++;
    const seconds = (await turn(one, id)) ?? 0;
    await one.ctx.db.query(
      `UPDATE mails SET due_at = due_at - make_interval(secs => $2), updated_at = updated_at - make_interval(secs => $2)
       WHERE id = $1`,
      [id, seconds],
    );
    hours += seconds / 3600;
  }
  await eventually(() => got.length === sweeps, { what: "a message for each" });
  assert.ok(sweeps < 15, `${sweeps} times in two hours`);
});

test("what falls due in a moment is published at its time, and never before it", async ({ one, got, arrivals }) => {
  const waiting = await stranded(one, 100);
  // Each at another moment, by the database's clock: that is the one that decides.
  const { rows } = await one.ctx.db.query<{ id: string; due_at: Date }>(
    `UPDATE mails SET due_at = now() + make_interval(secs => 0.2 + 0.01 * array_position($1, id)) RETURNING id, due_at`,
    [waiting],
  );
  const before = performance.now();
  await publishStranded(one.ctx);
  assert.ok(performance.now() - before < 1000, "the sweep itself does not wait: its next tick would be skipped");
  await eventually(() => got.length === 100, { what: "all messages" });
  for (const { id, due_at } of rows) {
    const lateMs = (arrivals[ids(got).indexOf(id)] ?? 0) - due_at.getTime();
    assert.ok(lateMs >= 0 && lateMs < 1000, `${lateMs} ms after its time`);
  }
  const turns = await Promise.all(waiting.map((id) => turn(one, id)));
  assert.ok(
    turns.every((seconds) => seconds !== undefined && seconds >= 28),
    "and not again by the next sweep",
  );
});

test("a mail that is cancelled while its message is awaited gets none that does anything", async ({ one, got }) => {
  const [id] = await stranded(one, 1);
  await one.ctx.db.query("UPDATE mails SET due_at = now() + interval '500 ms'");
  await publishStranded(one.ctx);
  await one.ctx.db.query("UPDATE mails SET status = 'cancelled'");
  await eventually(() => got.length === 1, { what: "the message" });
  assert.equal(await attemptDelivery(one.ctx, id ?? "", 1), { kind: "done" });
  const { rows } = await one.ctx.db.query("SELECT status FROM mails");
  assert.equal(rows, [{ status: "cancelled" }]);
});

test("a message that the broker did not take leaves its mail due at once, but only that attempt's", async () => {
  const away = await openContext();
  const [lost, next, sent] = await stranded(away, 3);
  await away.ctx.db.query("UPDATE mails SET due_at = now() + interval '30 seconds'");
  await away.ctx.db.query("UPDATE mails SET attempt = 1 WHERE id = $1", [next]);
  await away.ctx.db.query("UPDATE mails SET status = 'sent' WHERE id = $1", [sent]);
  for (const id of [lost, next, sent]) if (id !== undefined) publishSoon(away.ctx, [{ id, attempt: 1, bytes: 0 }]);
  await away.settled();
  assert.is(await turn(away, lost), 0);
  // Its first message arrived after all, and its second attempt has a time of its own (Retry-After, the ladder).
  assert.is(await turn(away, next), 30);
  assert.is(await turn(away, sent), 30);
  await away.close();
});

test("with the broker away the sweep takes nothing", async () => {
  const away = await openContext();
  const [id] = await stranded(away, 1);
  await publishStranded(away.ctx);
  assert.ok(((await turn(away, id)) ?? 1) <= 0);
  assert.not(away.log.some((line) => line.includes("the broker did not take mail")));
  await away.close();
});

test("a broker that goes away under the mail loses none of it", async ({ got }) => {
  const link = await openLink(new URL(await freshVhost()));
  const mails = await openContext({ env: { RABBITMQ_URL: link.url } });
  const { broker, config } = mails.ctx;
  await broker.consume(config.queues.mail, { concurrency: 100 }, async (delivery) => {
    got.push(delivery);
    return { kind: "done" };
  });
  const accepted = await Promise.all(Array.from({ length: 50 }, () => acceptMail(mails.ctx, aCaller(), aMail())));
  link.cut();
  while (mails.ctx.broker.isConnected()) accepted.push(await acceptMail(mails.ctx, aCaller(), aMail()));
  accepted.push(await acceptMail(mails.ctx, aCaller(), aMail()));
  await mails.settled();
  await link.restore();
  await eventually(() => mails.ctx.broker.isConnected(), { what: "the broker is back", within: 10_000 });
  // What reached the broker it delivers; the rest is marked, for the sweep.
  await eventually(
    async () => {
      await publishStranded(mails.ctx);
      const arrived = new Set(ids(got));
      return accepted.every(({ id }) => arrived.has(id));
    },
    { what: "every mail", within: 10_000 },
  );
  await mails.close();
  link.cut();
});

test.run();
