import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { recordTaps } from "../tracking/tap.sql.ts";
import { checkConversions } from "./conversions.ts";
import { readDays, sumDays } from "./days.ts";

interface World {
  context: TestContext;
  campaigns: number[];
  members: number[];
}

const test = suite<World>("conversions");

test.before(async (world) => {
  world.context = await openContext({ env: { DATABASE_POOL_SIZE: "12" } });
});
test.after(({ context }) => context.close());

test.before.each(async (world) => {
  const { db } = world.context.ctx;
  await db.query(
    `TRUNCATE members, campaigns, campaign_recipients, campaign_conversions, conversion_checks, crm_days, crm_day_changes,
     message_templates CASCADE`,
  );
  const { rows: members } = await db.query<{ id: number }>(
    "INSERT INTO members (line_uid, source) SELECT 'U' || n, 'line' FROM generate_series(1, 20) AS n RETURNING id::float8 AS id",
  );
  const { rows: campaigns } = await db.query<{ id: number }>(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'Hello') RETURNING id)
     INSERT INTO campaigns (title, template_id, target_audience, status, sent_at)
     SELECT 'Autumn ' || n, template.id, '{"type": "all"}', 'sent', now() FROM template, generate_series(1, 3) AS n
     RETURNING id::float8 AS id`,
  );
  await db.query(
    `INSERT INTO campaign_recipients (campaign_id, member_id, batch)
     SELECT campaigns.id, members.id, 0 FROM campaigns CROSS JOIN members`,
  );
  world.members = members.map(({ id }) => id);
  world.campaigns = campaigns.map(({ id }) => id);
});

const tap = ({ context }: World, campaign: number | undefined, member: number | undefined, at: string) =>
  context.ctx.db.batch(recordTaps, {
    campaign_id: campaign ?? 0,
    member_id: member ?? 0,
    tag_ids: [],
    source: "click",
    at,
  });

let orders = 0;
const stay = async ({ context }: World, member: number | undefined, day: string): Promise<number> => {
  const { rows } = await context.ctx.db.query<{ id: number }>(
    `INSERT INTO consumption_records (member_id, order_number, amount, check_in_date, source)
     VALUES ($1, $2, 3200, $3, 'manual') RETURNING id::float8 AS id`,
    [member, `order ${++orders}`, day],
  );
  return rows[0]?.id ?? 0;
};

/** Conversions as they are told of: of each campaign, and of each day on which there were any. */
async function told({ context, campaigns }: World): Promise<{ campaigns: number[]; days: Record<string, number> }> {
  const { db } = context.ctx;
  await checkConversions(context.ctx);
  const { rows } = await db.query<{ n: number }>(
    "SELECT conversion_count AS n FROM campaigns WHERE id = ANY($1::bigint[]) ORDER BY id",
    [campaigns],
  );
  const days = await readDays(context.ctx, { start: "2025-01-01", end: "2025-12-31" });
  const some = days.filter(({ converted }) => converted !== 0).map(({ day, converted }) => [day, converted] as const);
  return { campaigns: rows.map(({ n }) => n), days: Object.fromEntries(some) };
}

test("the first stay within 30 days after a click counts, once for each campaign that was clicked", async (world) => {
  const [one, two, three, four] = world.members;
  const [first, second] = world.campaigns;
  // 23:30 of the first in the hotel's zone.
  await tap(world, first, one, "2025-09-01T15:30:00Z");
  await tap(world, second, one, "2025-09-10T04:00:00Z");
  await stay(world, one, "2025-08-31");
  await stay(world, one, "2025-09-20");
  await stay(world, one, "2025-09-15");
  await tap(world, first, two, "2025-09-01T15:30:00Z");
  await stay(world, two, "2025-10-01");
  await tap(world, first, three, "2025-09-01T15:30:00Z");
  await stay(world, three, "2025-10-02");
  await stay(world, four, "2025-09-20");
  assert.equal(await told(world), { campaigns: [2, 1, 0], days: { "2025-09-15": 2, "2025-10-01": 1 } });
  await tap(world, first, one, "2025-09-12T04:00:00Z");
  await sumDays(world.context.ctx);
  assert.equal(await told(world), { campaigns: [2, 1, 0], days: { "2025-09-15": 2, "2025-10-01": 1 } });
});

test("a click on the day of the check-in counts, whichever is known first", async (world) => {
  const [one, two] = world.members;
  const [campaign] = world.campaigns;
  await stay(world, one, "2025-09-02");
  await told(world);
  // 00:30 of the second in the hotel's zone.
  await tap(world, campaign, one, "2025-09-01T16:30:00Z");
  await tap(world, campaign, two, "2025-09-01T16:30:00Z");
  await told(world);
  await stay(world, two, "2025-09-02");
  assert.equal(await told(world), { campaigns: [2, 0, 0], days: { "2025-09-02": 2 } });
});

test("a stay that is moved, given to another, or cancelled takes its conversion along", async (world) => {
  const { db } = world.context.ctx;
  const [one, two] = world.members;
  const [campaign] = world.campaigns;
  await tap(world, campaign, one, "2025-09-01T04:00:00Z");
  const id = await stay(world, one, "2025-09-05");
  assert.equal((await told(world)).days, { "2025-09-05": 1 });
  await db.query("UPDATE consumption_records SET check_in_date = '2025-09-07' WHERE id = $1", [id]);
  assert.equal(await told(world), { campaigns: [1, 0, 0], days: { "2025-09-07": 1 } });
  await db.query("UPDATE consumption_records SET member_id = $2 WHERE id = $1", [id, two]);
  assert.equal(await told(world), { campaigns: [0, 0, 0], days: {} });
  await tap(world, campaign, two, "2025-09-02T04:00:00Z");
  assert.equal((await told(world)).campaigns, [1, 0, 0]);
  await db.query("DELETE FROM consumption_records");
  assert.equal(await told(world), { campaigns: [0, 0, 0], days: {} });
});

test("what a member has brought stays when he is deleted", async (world) => {
  const [one] = world.members;
  const [campaign] = world.campaigns;
  await tap(world, campaign, one, "2025-09-01T04:00:00Z");
  await stay(world, one, "2025-09-05");
  await told(world);
  await world.context.ctx.db.query("DELETE FROM members WHERE id = $1", [one]);
  assert.equal(await told(world), { campaigns: [1, 0, 0], days: { "2025-09-05": 1 } });
});

test("clicks, stays and counting at the same time end in what a recount finds", async (world) => {
  const { ctx } = world.context;
  const day = (n: number) => new Date(Date.UTC(2025, 8, 1 + n)).toISOString();
  let writers = 4;
  const write = async (writer: number) => {
    for (let round = 0; round < 60; round++) {
      const member = world.members[(round * 7 + writer) % world.members.length];
      const campaign = world.campaigns[Math.floor(round / 3) % world.campaigns.length];
      const work = [
        () => tap(world, campaign, member, day(round % 20)),
        () => stay(world, member, day((round * 11) % 60).slice(0, 10)),
        () =>
          ctx.db.query(
            `UPDATE consumption_records SET check_in_date = check_in_date + 9 WHERE id =
             (SELECT id FROM consumption_records ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)`,
          ),
      ][(round + writer) % 3];
      await work?.();
    }
    writers--;
  };
  const count = async () => {
    while (writers > 0) {
      await checkConversions(ctx);
      await sumDays(ctx);
    }
  };
  await Promise.all([write(0), write(1), write(2), write(3), count(), count()]);
  const counted = await told(world);
  assert.ok(
    counted.campaigns.every((n) => n > 0),
    "there is something to count",
  );
  await ctx.db.query("SELECT recount_crm_days()");
  assert.equal(counted, await told(world));
});

test.run();
