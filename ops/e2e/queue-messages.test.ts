/** What somebody else wrote to a queue: a message that names what no table can hold is given up before anybody looks. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import deliverBatch from "../../functions/crm/campaigns/deliver.ts";
import handleEvent from "../../functions/crm/line/handle-event.ts";
import { tryFunction } from "../../runtime/testing.ts";

const test = suite("messages of queues");

const beyond = [2 ** 53, 1e21, 1e308];

test("an event's number is one that the database can be asked for", async () => {
  for (const id of beyond) {
    const outcome = await tryFunction(handleEvent).deliver({ id });
    assert.is(outcome.kind, "dead", String(id));
    assert.match(JSON.stringify(outcome), "invalid_message: id");
  }
});

test("a campaign's and its batch's, too", async () => {
  for (const number of beyond) {
    for (const [field, message] of [
      ["campaign_id", { campaign_id: number, batch: 0 }],
      ["batch", { campaign_id: 1, batch: number }],
    ] as const) {
      const outcome = await tryFunction(deliverBatch).deliver(message);
      assert.match(JSON.stringify(outcome), `invalid_message: ${field}`);
    }
  }
  assert.match(JSON.stringify(await tryFunction(deliverBatch).deliver({ campaign_id: 1, batch: 2 ** 31 })), "batch");
});

test.run();
