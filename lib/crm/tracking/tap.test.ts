import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { seeded } from "../../../ops/harness/random.ts";
import { eventually } from "../../../ops/harness/test.ts";
import { recordTaps, type TapRow } from "./tap.sql.ts";

const test = suite<{ context: TestContext }>("taps");
test.before(async (state) => void (state.context = await openContext()));
test.after(({ context }) => context.close());

test("many at once, in any order, count each member once and wait for nobody in a circle", async ({ context }) => {
  const { db } = context.ctx;
  const random = seeded(1);
  await db.query("INSERT INTO members (source) SELECT 'line' FROM generate_series(1, 30)");
  await db.query("INSERT INTO tags (name, type) SELECT 'tag ' || n, 'interaction' FROM generate_series(1, 4) AS n");
  await db.query("INSERT INTO message_templates (type, content) VALUES ('text', 'x')");
  await db.query(`INSERT INTO campaigns (title, template_id, target_audience, status)
                  SELECT 'x', 1, '{"type": "all"}', 'sending' FROM generate_series(1, 3)`);
  await db.query(`INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size)
                  SELECT id, 0, 1, 30, 30 FROM campaigns`);
  await db.query(`INSERT INTO campaign_recipients (campaign_id, member_id, batch)
                  SELECT campaigns.id, members.id, 0 FROM campaigns, members`);
  const every = Array.from({ length: 3 * 30 }, (_, n): TapRow => ({
    member_id: 1 + (n % 30),
    campaign_id: 1 + Math.floor(n / 30),
    tag_ids: [1 + (n % 4), 1 + ((n + 1) % 4)],
    source: "click",
    at: "2026-11-27T10:00:00Z",
  }));
  const shuffled = () =>
    every
      .map((tap) => [random.next(), tap] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, tap]) => tap);
  const write = (taps: readonly TapRow[]) =>
    db.query(recordTaps.sql, [JSON.stringify(taps.map((tap, i) => ({ i, ...tap })))]);
  await Promise.all(Array.from({ length: 40 }, () => write(shuffled().slice(0, 45))));
  await write(every);

  const { rows: campaigns } = await db.query("SELECT clicked_count, opened_count FROM campaigns ORDER BY id");
  assert.equal(
    campaigns,
    [1, 2, 3].map(() => ({ clicked_count: 30, opened_count: 30 })),
  );
  const { rows: tags } = await db.query("SELECT trigger_count, member_count FROM tags ORDER BY id");
  const { rows: told } = await db.query(`
    SELECT (SELECT count(*)::int FROM tag_trigger_logs WHERE tag_id = tags.id) AS trigger_count,
           (SELECT count(*)::int FROM member_tag_relations WHERE tag_id = tags.id) AS member_count
    FROM tags ORDER BY id`);
  assert.equal(tags, told);
});

test("a tap of a campaign that is being deleted counts without it", async ({ context }) => {
  const { db } = context.ctx;
  await db.query("INSERT INTO members (source) VALUES ('line')");
  await db.query("INSERT INTO tags (name, type) VALUES ('clicked', 'interaction')");
  await db.query("INSERT INTO message_templates (type, content) VALUES ('text', 'x')");
  const { rows } = await db.query<{ member_id: number; tag: number; campaign_id: number }>(
    `INSERT INTO campaigns (title, template_id, target_audience)
     SELECT 'draft', max(id), '{"type": "all"}' FROM message_templates
     RETURNING id::int AS campaign_id, (SELECT max(id)::int FROM members) AS member_id, (SELECT max(id)::int FROM tags) AS tag`,
  );
  const { member_id = 0, tag = 0, campaign_id = 0 } = rows[0] ?? {};
  const tap: TapRow = { member_id, campaign_id, tag_ids: [tag], source: "click", at: "2026-11-27T10:00:00Z" };
  let tapped: Promise<unknown> | undefined;
  await db.transaction(async (tx) => {
    await tx.query("DELETE FROM campaigns WHERE id = $1", [campaign_id]);
    tapped = db.query(recordTaps.sql, [JSON.stringify([{ i: 0, ...tap }])]);
    tapped.catch(() => {});
    const waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await eventually(async () => (await db.query(waits)).rows.length > 0, { what: "the tap waits for the deletion" });
  });
  await tapped;
  const { rows: logged } = await db.query(
    "SELECT campaign_id, trigger_source FROM tag_trigger_logs WHERE member_id = $1 AND tag_id = $2",
    [member_id, tag],
  );
  assert.equal(logged, [{ campaign_id: null, trigger_source: "click" }]);
});

test.run();
