import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext, type TestContext } from "../../../ops/harness/context.ts";
import { cleanEvents } from "./clean.ts";

const test = suite("Cleaning events of LINE");
let house: TestContext;

test.before(async () => void (house = await openContext()));
test.after(() => house.close());

test("what ended a month ago goes, all else stays", async () => {
  const { db } = house.ctx;
  await db.query(
    `INSERT INTO line_events (event_id, type, line_uid, occurred_at, state, due_at, handled_at)
     SELECT state || days, 'follow', 'U1', now(), state, now(),
            CASE WHEN state IN ('handled', 'failed') THEN now() - make_interval(days => days) END
     FROM unnest(ARRAY['received', 'handling', 'handled', 'failed']) AS state, unnest(ARRAY[29, 31]) AS days`,
  );
  await db.query("INSERT INTO members (source) VALUES ('line')");
  await db.query(
    `INSERT INTO message_deliveries (message_id, message_at, member_id, line_messages, state, due_at, settled_at)
     SELECT days, now(), id, '[]', 'sent', now(), now() - make_interval(days => days) FROM members, unnest(ARRAY[29, 31]) AS days`,
  );
  await cleanEvents(house.newCall());
  const left = await db.query<{ event_id: string }>("SELECT event_id FROM line_events ORDER BY event_id");
  assert.equal(
    left.rows.map(({ event_id }) => event_id),
    ["failed29", "handled29", "handling29", "handling31", "received29", "received31"],
  );
  const { rows } = await db.query("SELECT message_id::int FROM message_deliveries");
  assert.equal(rows, [{ message_id: 29 }]);
});

test.run();
