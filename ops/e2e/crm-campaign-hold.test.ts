/** A campaign that is paused, resumed or cancelled on its way. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/test.ts";
import { startCampaigns, Standing, type campaigns } from "./crm-campaign.fixture.ts";
import { dataOf, problemOf, type Crm } from "./crm.ts";
import type { LineStandIn } from "./stand-ins/line.ts";

const story = suite("campaigns that are held");
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

const everybody = 15_000; // 30 batches, more than are with LINE at once

/** A campaign that has come one batch far: LINE keeps the next ones waiting until `release` is called. */
async function underWay() {
  const { promise: until, resolve: release } = Promise.withResolvers<void>();
  const { members, id } = await api.prepared(everybody, { tracking: "aggregate" });
  line.next("multicast", { kind: "delay", ms: 0 });
  line.always("multicast", { kind: "held", until });
  await api.send(id);
  await api.until(id, "under way", ({ sent_count }) => sent_count > 0);
  const got = () => api.copies(members).reduce((sum, count) => sum + count, 0);
  return { members, id, release, got };
}

story("a paused campaign sends nothing more until it is resumed, and then everybody has it once", async () => {
  const { members, id, release, got } = await underWay();
  assert.is(dataOf(await crm.post(`/campaigns/${id}/pause`), Standing).status, "sending");
  assert.match(problemOf(await crm.post(`/campaigns/${id}/pause`), 409).message, "paused");
  release();
  const busy = "SELECT FROM campaign_batches WHERE campaign_id = $1 AND state = 'sending'";
  await eventually(async () => (await crm.database.query(busy, [id])).rowCount === 0, {
    what: "what was with LINE is settled",
    within: 60_000,
  });
  const held = await api.read(id);
  assert.ok(held.paused_at !== null && held.status === "sending", JSON.stringify(held));
  assert.ok(held.sent_count < everybody, "it did not stop");
  assert.is(got(), held.sent_count);
  dataOf(await crm.post(`/campaigns/${id}/resume`), Standing);
  const ended = await api.settled(id);
  assert.equal([ended.status, ended.sent_count, ended.paused_at], ["sent", everybody, null]);
  assert.equal(new Set(api.copies(members)), new Set([1]));
});

story("a campaign that is cancelled on its way stops between batches, and its count is what LINE has", async () => {
  const { id, release, got } = await underWay();
  assert.is(dataOf(await crm.post(`/campaigns/${id}/cancel`), Standing).status, "cancelled");
  release();
  const ended = await api.settled(id);
  assert.equal([ended.status, ended.sent_count], ["cancelled", got()]);
  assert.ok(got() < everybody, "it did not stop");
  assert.match(problemOf(await crm.post(`/campaigns/${id}/resume`), 409).message, "cancelled");
});

story("whoever follows a campaign is told how far it is, until it has ended", async () => {
  const { id } = await api.prepared(3_000, { tracking: "aggregate" });
  line.always("multicast", { kind: "delay", ms: 400 });
  const headers = { authorization: `Bearer ${crm.admin.token}` };
  const path = `/api/v1/campaigns/${id}/progress`;
  const answer = await fetch(crm.system.url + path, { headers });
  assert.equal([answer.status, answer.headers.get("content-type")], [200, "text/event-stream; charset=utf-8"]);
  await api.send(id);
  const text = await answer.text();
  const told = [...text.matchAll(/^event: ?progress\ndata: ?(.+)$/gm)].map(
    ([, data = ""]) => JSON.parse(data) as Record<string, unknown>,
  );
  assert.is(told[0]?.["status"], "draft");
  assert.equal([told.at(-1)?.["status"], told.at(-1)?.["sent_count"]], ["sent", 3_000]);
  const counts = told.map(({ sent_count }) => Number(sent_count));
  assert.equal(
    counts,
    counts.toSorted((a, b) => a - b),
  );
  problemOf(await crm.get("/campaigns/999999/progress"), 404);
});

story.run();
