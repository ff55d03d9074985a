import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { readDays, sumDays, type DayCounts } from "./days.ts";
import { hotelDay } from "./period.ts";

interface World {
  context: TestContext;
  member: number;
  campaigns: number[];
}

const test = suite<World>("figures of days");

test.before(async (world) => {
  world.context = await openContext({ env: { DATABASE_POOL_SIZE: "12" } });
  const { db } = world.context.ctx;
  const { rows: members } = await db.query<{ id: number }>(
    "INSERT INTO members (line_uid, source) VALUES ('U1', 'line') RETURNING id::float8 AS id",
  );
  const { rows: campaigns } = await db.query<{ id: number }>(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'Hello') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience) SELECT 'Autumn ' || n, template.id, '{"type": "all"}'
     FROM template, generate_series(1, 3) AS n RETURNING id::float8 AS id`,
  );
  world.member = members[0]?.id ?? 0;
  world.campaigns = campaigns.map(({ id }) => id);
});
test.before.each(
  async ({ context }) => void (await context.ctx.db.query("TRUNCATE messages, crm_days, crm_day_changes")),
);
test.after(({ context }) => context.close());

const say = ({ context, member }: World, columns: Readonly<Record<string, string>>) => {
  const names = Object.keys(columns);
  const places = names.map((_, index) => `$${index + 2}`);
  return context.ctx.db.query(
    `INSERT INTO messages (member_id, content, message_type, ${names.join(", ")}) VALUES ($1, 'Hello', 'text', ${places.join(", ")})`,
    [member, ...Object.values(columns)],
  );
};

const some = async ({ context }: World, start: string, end: string) => {
  const days = await readDays(context.ctx, { start, end });
  return days.filter(({ sent }) => sent !== 0).map(({ day, sent }) => [day, sent]);
};

test("every day has its figures, also those on which nothing happened", async ({ context }) => {
  const days = await readDays(context.ctx, { start: "2024-02-28", end: "2024-03-01" });
  const none = { sent: 0, opened: 0, clicked: 0, converted: 0 };
  assert.equal(days, [
    { day: "2024-02-28", ...none },
    { day: "2024-02-29", ...none },
    { day: "2024-03-01", ...none },
  ]);
});

test("answers and what users write count once they are sent, on the hotel's day", async (world) => {
  await say(world, { direction: "outgoing", sender_type: "auto", created_at: "2025-09-01T15:59:59Z" });
  await say(world, { direction: "outgoing", sender_type: "auto", created_at: "2025-09-01T16:00:00Z" });
  await say(world, { direction: "incoming", created_at: "2025-09-01T04:00:00Z" });
  for (const status of ["scheduled", "pending", "failed"])
    await say(world, { direction: "outgoing", sender_type: "manual", status, created_at: "2025-09-03T04:00:00Z" });
  assert.equal(await some(world, "2025-09-01", "2025-09-30"), [
    ["2025-09-01", 1],
    ["2025-09-02", 1],
  ]);
  const { db } = world.context.ctx;
  await db.query("UPDATE messages SET status = 'sent' WHERE status = 'pending'");
  // As one is shown that waited for its time, here in another month's partition.
  await db.query("SELECT make_messages_partition('2026-01-01'::date)");
  await db.query("UPDATE messages SET status = 'sent', created_at = '2026-01-09T04:00:00Z' WHERE status = 'scheduled'");
  await db.query("UPDATE messages SET read_at = now()");
  assert.equal(await some(world, "2025-09-03", "2026-01-31"), [
    ["2025-09-03", 1],
    ["2026-01-09", 1],
  ]);
  await sumDays(world.context.ctx);
  assert.is((await some(world, "2025-09-01", "2026-01-31")).length, 4);
});

test("at every moment they are what was written, whoever writes and sums up at the same time", async (world) => {
  const { ctx } = world.context;
  const today = hotelDay(ctx.clock.now());
  let writers = 4;
  const write = async (writer: number) => {
    for (let round = 0; round < 60; round++) {
      const id = world.campaigns[(round + writer) % world.campaigns.length];
      if (round % 4 === 0) await say(world, { direction: "outgoing", sender_type: "auto" });
      else {
        const columns =
          "sent_count = sent_count + 7, opened_count = opened_count + 2, clicked_count = clicked_count + 1";
        await ctx.db.query(`UPDATE campaigns SET ${columns} WHERE id = $1`, [id]);
      }
    }
    writers--;
  };
  const sum = async () => {
    while (writers > 0) await sumDays(ctx);
  };
  let looks = 0;
  const look = async () => {
    while (writers > 0) {
      const { rows } = await ctx.db.query<{ told: string; there: string }>(
        `SELECT (SELECT coalesce(sum(sent), 0) FROM (SELECT sent FROM crm_days UNION ALL SELECT sent FROM crm_day_changes) AS c) AS told,
           (SELECT sum(sent_count) FROM campaigns) + (SELECT count(*) FROM messages) AS there`,
      );
      assert.is(rows[0]?.told, rows[0]?.there);
      looks++;
    }
  };
  await Promise.all([write(0), write(1), write(2), write(3), sum(), sum(), look()]);
  assert.ok(looks > 0);
  const days = await readDays(ctx, { start: today, end: hotelDay(ctx.clock.now()) });
  const total = (name: keyof DayCounts) => days.reduce((all, day) => all + day[name], 0);
  assert.equal([total("sent"), total("opened"), total("clicked")], [4 * (15 + 45 * 7), 4 * 45 * 2, 4 * 45]);
  await sumDays(ctx);
  const { rows } = await ctx.db.query<{ left: number }>("SELECT count(*)::int AS left FROM crm_day_changes");
  assert.is(rows[0]?.left, 0);
});

test.run();
