import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { makePartitions } from "./partitions.ts";

const test = suite("Partitions of messages");
let now = new Date("2033-11-30T23:59:00Z");
let house: TestContext;

test.before(async () => void (house = await openContext({ clock: { now: () => now } })));
test.after(() => house.close());

async function partitions(): Promise<string[]> {
  const { rows } = await house.ctx.db.query<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'messages'::regclass ORDER BY name`,
  );
  return rows.map(({ name }) => name).filter((name) => /_203\d_/.test(name));
}

test("this month and the next ones have theirs, over the turn of a year, however often it is asked", async () => {
  await makePartitions(house.ctx);
  await makePartitions(house.ctx);
  assert.equal(await partitions(), ["messages_2033_11", "messages_2033_12", "messages_2034_01", "messages_2034_02"]);
});

test("a partition whose messages have come in before takes them over", async () => {
  const { db } = house.ctx;
  await db.query("INSERT INTO members (source) VALUES ('line')");
  await db.query(
    `INSERT INTO messages (member_id, content, direction, message_type, created_at)
     SELECT 1, 'early', 'incoming', 'text', '2034-03-01' FROM members`,
  );
  now = new Date("2033-12-05T00:00:00Z");
  await makePartitions(house.ctx);
  const { rows } = await db.query("SELECT tableoid::regclass::text AS name FROM messages");
  assert.equal(rows, [{ name: "messages_2034_03" }]);
});

test("where others hold the table it is left for the next time", async () => {
  now = new Date("2034-01-05T00:00:00Z");
  await house.ctx.db.transaction(async (tx) => {
    await tx.query("SELECT FROM messages_other FOR UPDATE");
    await tx.query("LOCK TABLE messages_other IN ROW EXCLUSIVE MODE");
    await makePartitions(house.newCall());
  });
  assert.not.ok((await partitions()).includes("messages_2034_04"));
  await makePartitions(house.ctx);
  assert.ok((await partitions()).includes("messages_2034_04"));
});

test.run();
