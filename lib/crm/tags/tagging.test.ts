import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { eventually } from "../../../ops/harness/eventually.ts";
import { deleteMember } from "../members/members.ts";
import { endAttempt, insertMessage } from "../messages/deliver.sql.ts";
import { readConversation } from "../messages/list.ts";
import { sendMessage } from "../messages/send.ts";
import { addTags, removeTag } from "./tagging.ts";

interface State {
  context: TestContext;
  /** Somebody else, in a transaction of his own. */
  other: Client;
  member: number;
  tag: number;
}

const test = suite<State>("members, their tags and messages, with somebody else at them");

test.before(async (state) => {
  // Nobody listens there: what is sent waits.
  const line = { LINE_CHANNEL_ACCESS_TOKEN: "token", LINE_API_URL: "http://127.0.0.1:1" };
  state.context = await openContext({ env: line });
  state.other = new Client({ connectionString: state.context.url });
  await state.other.connect();
});
test.after(async ({ context, other }) => {
  await other.end();
  await context.close();
});
test.before.each(async (state) => {
  const insert = async (sql: string) => Number((await state.other.query<{ id: string }>(sql)).rows[0]?.id);
  state.member = await insert(
    "INSERT INTO members (line_uid, source) SELECT 'U' || count(*), 'line' FROM members RETURNING id",
  );
  state.tag = await insert(
    "INSERT INTO tags (name, type) SELECT 'tag ' || coalesce(max(id), 0), 'interaction' FROM tags RETURNING id",
  );
});

/** Does `first` in a transaction, then begins `work`, which has to wait for it; once it does, does `then` and commits. */
async function meet<T>({ context, other }: State, first: string, work: () => Promise<T>, then = "SELECT"): Promise<T> {
  await other.query("BEGIN");
  await other.query(first);
  const done = work();
  done.catch(() => undefined);
  const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  await eventually(async () => (await context.ctx.db.query(waiting)).rowCount, { what: "it waits", within: 20_000 });
  await other.query(then);
  await other.query("COMMIT");
  return await done;
}

const locked = (tag: number) => `SELECT FROM tags WHERE id = ${tag} FOR NO KEY UPDATE`;
const tagged = ({ member, tag }: State) =>
  `INSERT INTO member_tag_relations (member_id, tag_id) VALUES (${member}, ${tag}) ON CONFLICT DO NOTHING`;
const count = async ({ other, tag }: State) =>
  (await other.query<{ n: number }>("SELECT member_count AS n FROM tags WHERE id = $1", [tag])).rows[0]?.n;
const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: unknown) => (error as { code?: string }).code,
  );

test("who adds a tag that is tapped just now waits for the tap, and not the tap for him", async (state) => {
  const { context, member, tag } = state;
  const tags = await meet(state, locked(tag), () => addTags(context.ctx, member, [tag]), tagged(state));
  assert.equal(
    tags.map(({ id }) => id),
    [tag],
  );
  assert.is(await count(state), 1);
});

test("so does who takes it away", async (state) => {
  const { context, member, tag } = state;
  await addTags(context.ctx, member, [tag]);
  await meet(state, locked(tag), () => removeTag(context.ctx, member, tag), tagged(state));
  assert.is(await count(state), 0);
});

test("who deletes a member that taps just now waits for the tap, and takes its tags with him", async (state) => {
  const { context, member, tag } = state;
  await addTags(context.ctx, member, [tag]);
  const seen = `UPDATE members SET last_interaction_at = now() WHERE id = ${member}`;
  await meet(state, seen, () => deleteMember(context.ctx, member), locked(tag));
  assert.is(await count(state), 0);
});

test("a tag that is deleted meanwhile is told as a tag that is not there", async (state) => {
  const { context, member, tag } = state;
  const adding = meet(state, `DELETE FROM tags WHERE id = ${tag}`, () => addTags(context.ctx, member, [tag]));
  assert.is(await reasonOf(adding), "tag_not_found");
  assert.is(await reasonOf(addTags(context.ctx, 999_999, [tag])), "member_not_found");
});

test("a message to a member that is deleted meanwhile goes to nobody", async (state) => {
  const { context, member } = state;
  const send = () => sendMessage(context.ctx, 1, { member_id: member, content: "您好" });
  const sending = meet(state, `DELETE FROM members WHERE id = ${member}`, send);
  assert.is(await reasonOf(sending), "member_not_found");
});

const held = (member: number) => `SELECT FROM members WHERE id = ${member} FOR UPDATE`;
const gone = (member: number) => `DELETE FROM members WHERE id = ${member}`;

test("who ends an attempt at a message holds none of it while its member is being deleted", async (state) => {
  const { member } = state;
  const { db } = state.context.ctx;
  const { rows } = await db.query<{ id: number }>(insertMessage, [member, "您好", "text", 1, null, "[]"]);
  const end = () => db.query(endAttempt, [rows[0]?.id, 1, "sent", null, null, 0]);
  assert.is((await meet(state, held(member), end, gone(member))).rowCount, 0);
});

test("so does who reads what he wrote", async (state) => {
  const { context, member, other } = state;
  await other.query(
    `INSERT INTO messages (member_id, content, direction, message_type) VALUES (${member}, '您好', 'incoming', 'text')`,
  );
  const read = () => readConversation(context.ctx, member, { page: 1, pageSize: 20, offset: 0 });
  assert.is(await reasonOf(meet(state, held(member), read, gone(member))), "member_not_found");
});

test.run();
