/** What a campaign sends, to whom, and what its quota allows. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startCampaigns, requestsOf, type campaigns } from "./crm-campaign.fixture.ts";
import { problemOf, type Crm } from "./crm.ts";
import type { LineStandIn } from "./stand-ins/line.ts";

const story = suite("delivery of campaigns");
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

story("everybody gets links of his own; a tap makes him one who has opened and clicked, once", async () => {
  const { id: template_id } = await api.template({
    type: "text_button",
    content: "Autumn",
    buttons: [{ label: "Offers", action_url: "https://hotel.example/offers" }],
  });
  const { members, id } = await api.prepared(3, { template_id });
  await api.send(id);
  await api.settled(id);
  const links = members.map(({ uid }) => {
    const [delivery, ...others] = line.ledger.received(uid);
    assert.equal([delivery?.step, others.length, delivery?.unit], ["push", 0, `campaign_${id}`]);
    return /https:\/\/crm\.hotel\.example\/r\/[^"]+/.exec(JSON.stringify(delivery?.messages))?.[0] ?? "";
  });
  assert.is(new Set(links).size, 3);
  for (let tap = 0; tap < 2; tap++) {
    const path = new URL(links[0] ?? "").pathname;
    const headers = { "user-agent": "Mozilla/5.0 (iPhone) Line/14.0" };
    const answer = await fetch(crm.system.url + path, { redirect: "manual", headers });
    assert.equal([answer.status, answer.headers.get("location")], [302, "https://hotel.example/offers"]);
  }
  const clicked = await api.until(id, "clicked", ({ clicked_count }) => clicked_count > 0);
  assert.equal([clicked.opened_count, clicked.clicked_count, clicked.click_rate], [1, 1, 33.3]);
  const statuses = (await api.recipients(id)).map(({ status }) => status);
  assert.equal(statuses, ["clicked", "sent", "sent"]);
  assert.equal(
    (await api.recipients(id, "&status=clicked")).map(({ member }) => member.id),
    [members[0]?.id],
  );
  assert.is((await api.recipients(id, "&status=sent")).length, 2);
});

story("an aggregate campaign goes out in multicasts of 500, without links of anybody", async () => {
  const { id: template_id } = await api.template({
    type: "text_button",
    content: "Autumn",
    buttons: [{ label: "Offers", action_url: "https://hotel.example/offers" }, { label: "Call me" }],
  });
  const { members, id } = await api.prepared(1100, { tracking: "aggregate", template_id });
  const before = line.requests.length;
  assert.is((await api.send(id)).sent_count, 1100);
  const ended = await api.settled(id);
  assert.equal([ended.status, ended.sent_count, ended.failed_count], ["sent", 1100, 0]);
  assert.is(requestsOf(line, "multicast", before).length, 3);
  assert.equal(new Set(api.copies(members)), new Set([1]));
  const text = JSON.stringify(line.ledger.received(members[0]?.uid ?? "")[0]?.messages);
  assert.match(text, `"uri":"https://hotel.example/offers"`);
  assert.match(text, `"type":"postback"`);
});

story(
  "a send over what is left of the month is refused with the figures, and the campaign stays as it was",
  async () => {
    const { members, id } = await api.prepared(5);
    Object.assign(line.quota, { limit: 100, used: 96 });
    const { message } = problemOf(await crm.post(`/campaigns/${id}/send`), 409);
    assert.match(message, "5 recipients are more than the 4 messages that are left of the month's 100");
    const { status, sent_at, audience_count } = await api.read(id);
    assert.equal([status, sent_at, audience_count], ["draft", null, 0]);
    assert.is((await api.recipients(id)).length, 0);
    line.quota.used = 95;
    await api.send(id);
    await api.settled(id);
    assert.equal(api.copies(members), [1, 1, 1, 1, 1]);
  },
);

story("the month's limit, met on the way, ends the campaign as failed; what was sent stays counted", async () => {
  const { members, id } = await api.prepared(1500, { tracking: "aggregate" });
  line.always("multicast", { kind: "delay", ms: 500 });
  await api.send(id);
  // Somebody else uses the account meanwhile.
  Object.assign(line.quota, { limit: 1_000, used: 300 });
  const ended = await api.settled(id);
  assert.equal([ended.status, ended.sent_count], ["failed", 500]);
  assert.match(ended.error_message ?? "", "The month's messages are used up");
  assert.is(
    api.copies(members).reduce((sum, count) => sum + count, 0),
    500,
  );
  assert.is((await api.recipients(id, "&status=pending&page=1")).length, 100, "nobody tried to send to these");
});

story("a scheduled campaign goes out when its time has come; one that is refused fails and says why", async () => {
  const { members, id } = await api.prepared(2, { scheduled_at: "2099-01-01T00:00:00Z" });
  const other = await api.prepared(20, { scheduled_at: "2099-01-01T00:00:00Z" });
  Object.assign(line.quota, { limit: 10, used: 0 });
  await crm.database.query("UPDATE campaigns SET scheduled_at = now() WHERE id = ANY($1)", [[id, other.id]]);
  assert.equal([(await api.settled(id)).status, (await api.settled(other.id)).status], ["sent", "failed"]);
  assert.equal(api.copies(members), [1, 1]);
  assert.match((await api.read(other.id)).error_message ?? "", "20 recipients are more than");
  assert.is(
    api.copies(other.members).reduce((sum, count) => sum + count, 0),
    0,
  );
});

story.run();
