import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { readCampaign } from "../campaigns/store.ts";
import { listMembers } from "../members/list.ts";
import { readTemplate } from "../templates/store.ts";
import { seedCrm } from "./seed.ts";

const test = suite<{ context: TestContext }>("seed");

const options = { members: 400, seed: 7, force: false, tell: () => {} };
const page = { page: 1, pageSize: 20, offset: 0, sortBy: "created_at", order: "desc" } as const;
const one = async (context: TestContext, sql: string) => (await context.ctx.db.query(sql)).rows[0];

test.before.each(async (state) => {
  state.context = await openContext();
});
test.after.each(({ context }) => context.close());

test("an invented hotel holds together as one that has been run", async ({ context }) => {
  const seeded = await seedCrm(context.ctx, options);
  assert.is(seeded.members, 400);
  for (const [what, count] of Object.entries(seeded)) assert.ok(count > 0, what);
  assert.is((await listMembers(context.ctx, {}, page)).total, 400);
  assert.ok((await listMembers(context.ctx, { search: "陳" }, page)).total > 0);
  const wrong = await one(
    context,
    `SELECT
       (SELECT count(*)::int FROM tags WHERE member_count <> (SELECT count(*) FROM member_tag_relations WHERE tag_id = tags.id)
          OR trigger_count <> (SELECT count(*) FROM tag_trigger_logs WHERE tag_id = tags.id)) AS tags,
       (SELECT count(*)::int FROM campaigns WHERE audience_count <> (SELECT count(*) FROM campaign_recipients WHERE campaign_id = campaigns.id)
          OR sent_count + failed_count <> audience_count OR clicked_count > opened_count) AS campaigns,
       (SELECT count(*)::int FROM campaign_recipients LEFT JOIN campaign_batches USING (campaign_id, batch) WHERE size IS NULL) AS recipients,
       (SELECT count(*)::int FROM members FULL JOIN member_search ON member_id = id WHERE id IS NULL OR member_id IS NULL) AS search,
       (SELECT (sum(sent) - (SELECT sum(sent_count) FROM campaigns)
                - (SELECT count(*) FROM messages WHERE direction = 'outgoing'))::int FROM crm_days) AS days,
       (SELECT count(*)::int FROM members WHERE created_at > now() OR last_interaction_at > now()) AS future`,
  );
  assert.equal(wrong, { tags: 0, campaigns: 0, recipients: 0, search: 0, days: 0, future: 0 });
  // It goes on as any other: keys, triggers and sequences are where they were.
  await context.ctx.db.query("INSERT INTO members (first_name, source) VALUES ('新', 'crm')");
  assert.is((await listMembers(context.ctx, {}, page)).total, 401);
});

test("what was sent is kept with its template, whole", async ({ context }) => {
  await seedCrm(context.ctx, options);
  const { rows } = await context.ctx.db.query<{ id: number }>("SELECT id::float8 AS id FROM campaigns ORDER BY id");
  for (const { id } of rows) {
    const { sent_template: sent, template_id } = await readCampaign(context.ctx, id);
    const fields = Object.keys(await readTemplate(context.ctx.db, template_id));
    if (sent)
      assert.equal(
        fields.filter((field) => !Object.hasOwn(sent, field)),
        [],
      );
  }
});

test("the same seed makes the same people, another one others", async ({ context }) => {
  const people =
    "SELECT md5(string_agg(concat(last_name, first_name, email, phone, line_uid, birthday), '|' ORDER BY id)) AS people FROM members";
  await seedCrm(context.ctx, options);
  const other = await openContext();
  const third = await openContext();
  try {
    await seedCrm(other.ctx, options);
    await seedCrm(third.ctx, { ...options, seed: 8 });
    assert.equal(await one(context, people), await one(other, people));
    assert.not.equal(await one(third, people), await one(other, people));
  } finally {
    await Promise.all([other.close(), third.close()]);
  }
});

test("where there are members, it changes nothing unless it is told to", async ({ context }) => {
  await context.ctx.db.query("INSERT INTO members (first_name, source) VALUES ('真', 'crm')");
  const refused = await seedCrm(context.ctx, options).catch((error: unknown) => error);
  assert.match(String(refused), "--force");
  assert.is((await listMembers(context.ctx, {}, page)).total, 1);
  await seedCrm(context.ctx, { ...options, force: true });
  const { items, total } = await listMembers(context.ctx, { search: "真" }, page);
  assert.equal([items.length, total], [1, 1]);
  assert.is((await listMembers(context.ctx, {}, page)).total, 401);
});

test.run();
