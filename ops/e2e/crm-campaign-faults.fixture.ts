/** What a campaign does when LINE fails or refuses: nobody gets it twice, nobody is left out. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startCampaigns, requestsOf, type campaigns } from "./crm-campaign.fixture.ts";
import { type Crm } from "./crm.ts";
import type { Fault } from "./stand-ins/faults.ts";
import type { LineStandIn } from "./stand-ins/line.ts";

/** LINE asks to come again at once. */
const again = (status: number): Fault => ({ kind: "status", status, headers: { "retry-after": "0" } });

/** The stories of one kind of campaign, each told of it alone: in a file each, as there is much waiting in them. */
export function faultStories(tracking: "member" | "aggregate") {
  const story = suite(`${tracking} campaigns while LINE fails`);
  let line: LineStandIn;
  let crm: Crm;
  let api: ReturnType<typeof campaigns>;

  let hotel: Awaited<ReturnType<typeof startCampaigns>>;
  story.before(async () => {
    hotel = await startCampaigns();
    ({ line, crm, api } = hotel);
  });
  story.after.each(() => hotel.calm());
  story.after(() => hotel.close());

  const step = tracking === "member" ? "push" : "multicast";

  story(`an id that LINE does not know is taken out, and the others get it once`, async () => {
    const { members, id } = await api.prepared(20, { tracking });
    const bad = [members[3], members[11]].flatMap((member) => member ?? []);
    for (const { uid } of bad) line.unknown.add(uid);
    // Of who has blocked the account, LINE tells nobody.
    line.blocked.add(members[5]?.uid ?? "");
    await api.send(id);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.sent_count, ended.failed_count], ["sent", 18, 2]);
    const failed = await api.recipients(id, "&status=failed");
    assert.equal(
      failed.map(({ member }) => member.id),
      bad.map((member) => member.id),
    );
    for (const { error_message } of failed) assert.match(error_message ?? "", "LINE does not know");
    assert.equal(
      api.copies(members),
      members.map((_member, index) => ([3, 5, 11].includes(index) ? 0 : 1)),
    );
    assert.is(line.misusedKeys.size, 0, "another list has another key");
  });

  story(`too fast and a fault of LINE's are tried again three times, under the same key`, async () => {
    const { members, id } = await api.prepared(1, { tracking });
    const before = line.requests.length;
    line.next(step, again(429), again(500), again(503));
    await api.send(id);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.sent_count], ["sent", 1]);
    const requests = requestsOf(line, step, before);
    assert.equal(
      requests.map(({ status }) => status),
      [429, 500, 503, 200],
    );
    assert.is(new Set(requests.map(({ retryKey }) => retryKey)).size, 1);
    assert.equal(api.copies(members), [1]);
  });

  story(`after the fourth request it has failed, and says why`, async () => {
    const { members, id } = await api.prepared(1, { tracking });
    const before = line.requests.length;
    line.always(step, again(500));
    await api.send(id);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.sent_count, ended.failed_count], ["failed", 0, 1]);
    assert.match(ended.error_message ?? "", "LINE accepted no message");
    assert.is(requestsOf(line, step, before).length, 4);
    const [recipient] = await api.recipients(id);
    assert.is(recipient?.status, "failed");
    assert.match(recipient?.error_message ?? "", "LINE has a fault of its own");
    assert.equal(api.copies(members), [0]);
  });

  story(`a connection that is cut before or after LINE has accepted makes no second copy`, async () => {
    const { members, id } = await api.prepared(6, { tracking });
    line.next(step, { kind: "reset", when: "accepted" }, { kind: "reset", when: "read" });
    line.next(step, { kind: "reset", when: "accepted" });
    await api.send(id);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.sent_count, ended.failed_count], ["sent", 6, 0]);
    assert.equal(api.copies(members), [1, 1, 1, 1, 1, 1]);
    assert.is(line.misusedKeys.size, 0);
  });

  story(`a token that LINE refuses ends the campaign, and nothing is lost to retries`, async () => {
    const { members, id } = await api.prepared(3, { tracking });
    line.always(step, { kind: "status", status: 401 });
    await api.send(id);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.sent_count], ["failed", 0]);
    assert.match(ended.error_message ?? "", "LINE does not take the channel's token");
    assert.equal(api.copies(members), [0, 0, 0]);
  });

  story(`what LINE may have accepted longer ago than it remembers is never sent again`, async () => {
    const { members, id } = await api.prepared(2, { tracking });
    line.always(step, { kind: "status", status: 500 });
    await api.send(id);
    const tried = "SELECT state FROM campaign_batches WHERE campaign_id = $1 AND state = 'pending' AND attempt > 0";
    await eventually(async () => (await crm.database.query(tried, [id])).rowCount === 1, {
      what: "the batch was tried once",
      within: 60_000,
    });
    const aDayAgo = "UPDATE campaign_batches SET first_tried_at = now() - interval '25 hours' WHERE campaign_id = $1";
    await crm.database.query(aDayAgo, [id]);
    line.always(step, undefined);
    const ended = await api.settled(id);
    assert.equal([ended.status, ended.failed_count], ["failed", 2]);
    for (const { error_message } of await api.recipients(id)) assert.match(error_message ?? "", "may have been sent");
    assert.equal(api.copies(members), [0, 0]);
  });

  if (tracking === "aggregate") {
    story("a refusal that names nobody makes pushes of the batch", async () => {
      const { members, id } = await api.prepared(5, { tracking: "aggregate" });
      line.next("multicast", { kind: "status", status: 400, message: "Failed to send messages" });
      line.unknown.add(members[2]?.uid ?? "");
      await api.send(id);
      const ended = await api.settled(id);
      assert.equal([ended.status, ended.sent_count, ended.failed_count], ["sent", 4, 1]);
      assert.equal(api.copies(members), [1, 1, 0, 1, 1]);
    });
  }
  story.run();
}
