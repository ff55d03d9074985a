import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { Problem } from "../../../runtime/problem.ts";
import { pageOf } from "../paging.ts";
import { listMessages, readConversation } from "./list.ts";

const test = suite<{ context: TestContext; member: number }>("list of messages");

test.before(async (world) => {
  const context = (world.context = await openContext());
  const { db } = context.ctx;
  const { rows } = await db.query<{ id: number }>(
    "INSERT INTO members (first_name, source) VALUES ('Ming', 'crm'), ('Wang', 'crm') RETURNING id::float8 AS id",
  );
  const [member = 0, other = 0] = rows.map(({ id }) => id);
  world.member = member;
  await db.query(
    `INSERT INTO messages (member_id, content, direction, message_type, created_at)
     SELECT $1::bigint, 'said ' || n, 'incoming', 'text', now() - make_interval(hours => n) FROM generate_series(1, 5) AS n
     UNION ALL SELECT $2::bigint, 'other', 'incoming', 'text', now()`,
    [member, other],
  );
  // Three campaigns, between what was said.
  await db.query(
    `WITH template AS (INSERT INTO message_templates (type, content) VALUES ('text', 'x') RETURNING id),
     campaign AS (
       INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_template)
       SELECT 'c' || n, id, '{"type":"all"}', 'sent', now() - make_interval(mins => 90 * n), jsonb_build_object('type', 'text', 'content', 'campaign ' || n)
       FROM template, generate_series(1, 3) AS n RETURNING id, sent_at),
     batch AS (
       INSERT INTO campaign_batches (campaign_id, batch, first_member, last_member, size, state, sent_at)
       SELECT id, 1, $1::bigint, $1::bigint, 1, 'sent', sent_at FROM campaign RETURNING campaign_id)
     INSERT INTO campaign_recipients (campaign_id, member_id, batch) SELECT campaign_id, $1::bigint, 1 FROM batch`,
    [member],
  );
});
test.after(({ context }) => context.close());

test("what was said with a member and what campaigns sent him is one list, newest first, on whichever page", async ({
  context: { ctx },
  member,
}) => {
  const order = ["said 1", "campaign 1", "said 2", "campaign 2", "said 3", "said 4", "campaign 3", "said 5"];
  for (const size of [1, 3, 50]) {
    const seen: string[] = [];
    for (let page = 1; page <= Math.ceil(order.length / size); page++) {
      const { items, total } = await readConversation(ctx, member, pageOf({ page, page_size: size }));
      assert.is(total, order.length);
      seen.push(...items.map(({ content }) => content));
    }
    assert.equal(seen, order, `${size} a page`);
  }
  const outgoing = await listMessages(
    ctx,
    { memberId: member, direction: "outgoing" },
    pageOf({ page: 2, page_size: 2 }),
  );
  assert.equal([outgoing.items.map(({ content }) => content), outgoing.total], [["campaign 3"], 3]);
  const beyond = await listMessages(ctx, { memberId: member }, pageOf({ page: 9, page_size: 10 }));
  assert.equal([beyond.items, beyond.total], [[], order.length]);
});

test("a page too deep is refused, and counts nothing as read", async ({ context: { ctx }, member }) => {
  await ctx.db.query("UPDATE messages SET read_at = NULL");
  const deep = pageOf({ page: 1002, page_size: 100 });
  const asked = [
    () => listMessages(ctx, {}, deep),
    () => listMessages(ctx, { memberId: member }, deep),
    () => readConversation(ctx, member, deep),
  ];
  for (const ask of asked) {
    const fault: unknown = await ask().catch((error: unknown) => error);
    assert.ok(fault instanceof Problem);
    assert.equal([fault.status, fault.details?.[0]?.field], [400, "page"]);
  }
  const { rowCount } = await ctx.db.query("SELECT FROM messages WHERE read_at IS NOT NULL");
  assert.is(rowCount, 0);
  assert.equal((await listMessages(ctx, {}, pageOf({ page: 1001, page_size: 100 }))).items, []);
});

test.run();
