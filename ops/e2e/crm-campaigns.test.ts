/** Templates and campaigns as marketing makes, changes and shows them. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Begun, campaigns, Card, Detail, Item, Recipients, Standing, Template } from "./crm-campaign.fixture.ts";
import { dataOf, Exactly, PageOf, problemOf, startCrm, type Crm } from "./crm.ts";
import { startLine, type LineStandIn } from "./stand-ins/line.ts";
import { stopAll } from "./system.ts";

const story = suite("campaigns");
let line: LineStandIn;
let crm: Crm;
let api: ReturnType<typeof campaigns>;

story.before(async () => {
  line = await startLine();
  // Nothing falls due by itself: stories say when.
  crm = await startCrm({ env: { ...line.env, FUNCTIONS: "health,crm/!(campaigns)/*,crm/campaigns/!(start-due)" } });
  api = campaigns(crm);
});
story.after(async () => {
  await crm.close();
  await stopAll();
  await line.close();
});

const autumn = {
  type: "image_card",
  name: "中秋優惠模板",
  notification_text: "中秋特別優惠來了！",
  preview_text: "點擊查看詳情",
  carousel_items: [
    {
      image_url: "https://cdn.hotel.com/001.jpg",
      title: "商務優惠方案",
      description: "週一至週四 8 折",
      price: 3200,
      action_url: "https://hotel.com/offers/business",
      sort_order: 1,
    },
  ],
};

story("a template is added, listed, shown, changed and deleted, with the fields of the document", async () => {
  const [own, ofCard] = [await api.tag("Autumn", [], "interaction"), await api.tag("Business", [], "interaction")];
  const cards = [{ ...autumn.carousel_items[0], interaction_tag_id: ofCard }];
  const made = dataOf(
    await crm.post("/templates", { ...autumn, interaction_tag_id: own, carousel_items: cards }),
    Template,
  );
  assert.equal(made, dataOf(await crm.get(`/templates/${made.id}`), Template));
  const [card] = made.carousel_items;
  assert.equal(
    { ...made, id: 1, created_at: "", carousel_items: [] },
    {
      ...autumn,
      id: 1,
      content: null,
      buttons: null,
      interaction_tag_id: own,
      interaction_result: null,
      carousel_items: [],
      created_at: "",
    },
  );
  assert.equal(card, { ...cards[0], id: card?.id });

  const Line = Exactly({ id: Type.Integer(), name: Type.String(), type: Type.String(), created_at: Type.String() });
  await api.template({ name: "Plain" });
  const page = dataOf(await crm.get("/templates?type=image_card"), PageOf(Line));
  assert.equal(
    page.items.map(({ id, type }) => [id, type]),
    [[made.id, "image_card"]],
  );
  assert.equal([page.total, page.page, page.page_size, page.total_pages], [1, 1, 20, 1]);

  const changed = dataOf(
    await crm.put(`/templates/${made.id}`, { name: "Other", carousel_items: [cards[0], cards[0]] }),
    Template,
  );
  assert.equal([changed.name, changed.preview_text, changed.carousel_items.length], ["Other", "點擊查看詳情", 2]);
  const order = changed.carousel_items.map(({ sort_order }) => sort_order);
  assert.equal(order, [1, 1]);
  const deleted = await crm.delete(`/templates/${made.id}`);
  dataOf(deleted, Type.Null());
  assert.is(deleted.body["message"], "Template deleted successfully");
  problemOf(await crm.get(`/templates/${made.id}`), 404);
  problemOf(await crm.delete(`/templates/${made.id}`), 404);
  problemOf(await crm.put(`/templates/${made.id}`, { name: "Gone" }), 404);
});

story("what LINE would not take of a template is told by field, and nothing is saved", async () => {
  const faults = async (body: object) =>
    problemOf(await crm.post("/templates", body), 400).errors.map(({ field }) => field);
  assert.equal(await faults({ type: "text", content: " " }), ["content"]);
  assert.equal(await faults({ type: "text_button", content: "Hi", buttons: [] }), ["buttons"]);
  const card = { ...autumn.carousel_items[0], image_url: "http://cdn.hotel.com/1.jpg" };
  assert.equal(await faults({ ...autumn, carousel_items: [card] }), ["carousel_items[0].image_url"]);
  const member = await api.tag("VIP", []);
  assert.equal(await faults({ type: "text", content: "Hi", interaction_tag_id: member }), ["interaction_tag_id"]);
  assert.equal(
    await faults({ ...autumn, carousel_items: [{ ...autumn.carousel_items[0], interaction_tag_id: 999_999 }] }),
    ["carousel_items[0].interaction_tag_id"],
  );
  const { id, content } = await api.template();
  problemOf(await crm.put(`/templates/${id}`, { content: "x".repeat(5001) }), 400);
  assert.is(dataOf(await crm.get(`/templates/${id}`), Template).content, content);
  assert.type(Card, "object");
});

story("a template that a campaign uses stays, and the answer names the campaign", async () => {
  const { id, template_id } = await api.add({ title: "Moon" });
  const { message, errors } = problemOf(await crm.delete(`/templates/${template_id}`), 409);
  assert.match(message, "used");
  assert.equal(errors, [{ field: "campaigns", message: `${id}: Moon` }]);
});

story(
  "a campaign is a draft without a time, scheduled with one ahead, and shown with the fields of the document",
  async () => {
    const tags = [await api.tag("A", []), await api.tag("B", []), await api.tag("C", [])];
    const draft = await api.add({
      title: "中秋送禮 KOL",
      target_audience: { type: "tags", include_tags: tags.slice(0, 2), exclude_tags: tags.slice(2) },
      trigger_condition: { type: "friend_days", days_range: [7, 29] },
    });
    assert.equal([draft.status, draft.scheduled_at, draft.tracking], ["draft", null, "member"]);
    assert.equal(draft.target_audience, { type: "tags", include_tags: tags.slice(0, 2), exclude_tags: tags.slice(2) });
    assert.equal(draft.trigger_condition, { type: "friend_days", days_range: [7, 29] });
    assert.equal(draft.created_by, { id: crm.admin.id, username: crm.admin.username, full_name: "The admin" });
    assert.is((await api.add({ scheduled_at: "2025-10-02T22:47:00Z" })).status, "draft");
    const scheduled = await api.add({ scheduled_at: "2099-10-02T22:47:00+08:00" });
    assert.equal([scheduled.status, scheduled.scheduled_at], ["scheduled", "2099-10-02T14:47:00.000Z"]);
    assert.is(dataOf(await crm.put(`/campaigns/${scheduled.id}`, { scheduled_at: null }), Detail).status, "draft");
    assert.is(dataOf(await crm.put(`/campaigns/${scheduled.id}`, { title: "Later" }), Detail).title, "Later");
    const again = dataOf(await crm.put(`/campaigns/${scheduled.id}`, { scheduled_at: "2099-01-01T00:00:00Z" }), Detail);
    assert.equal([again.status, again.title, again.target_audience], ["scheduled", "Later", { type: "all" }]);
  },
);

story("the list has the document's fields, a summary of all states, and filters by state and day", async () => {
  const Summary = Exactly({
    total: Type.Integer(),
    sent: Type.Integer(),
    scheduled: Type.Integer(),
    draft: Type.Integer(),
  });
  const { properties } = PageOf(Item);
  const List = Exactly({ ...properties, summary: Summary });
  const all = dataOf(await crm.get("/campaigns?page_size=1"), List);
  const scheduled = dataOf(await crm.get("/campaigns?status=scheduled"), List);
  assert.is(all.total, all.summary.total);
  assert.equal(scheduled.summary, all.summary);
  assert.is(scheduled.total, all.summary.scheduled);
  assert.ok(scheduled.items.every(({ status }) => status === "scheduled") && scheduled.items.length > 0);
  assert.is(dataOf(await crm.get("/campaigns?end_date=2020-01-01"), List).total, 0);
  assert.is(dataOf(await crm.get("/campaigns?start_date=2020-01-01"), List).total, all.total);
  problemOf(await crm.get("/campaigns?start_date=yesterday"), 400);
  problemOf(await crm.get("/campaigns?status=asleep"), 400);
});

story("what makes no sense of a campaign is told by field", async () => {
  const faults = async (body: object) => problemOf(await api.create(body), 400).errors.map(({ field }) => field);
  assert.equal(await faults({ template_id: 999_999 }), ["template_id"]);
  assert.equal(await faults({ target_audience: { type: "tags" } }), ["target_audience.include_tags"]);
  assert.equal(await faults({ target_audience: { type: "tags", include_tags: [999_999] } }), [
    "target_audience.include_tags",
  ]);
  assert.equal(await faults({ target_audience: { type: "all", exclude_tags: [1] } }), ["target_audience.exclude_tags"]);
  assert.equal(await faults({ trigger_condition: { type: "friend_days", days_range: [29, 7] } }), [
    "trigger_condition.days_range",
  ]);
  assert.equal(await faults({ scheduled_at: "tomorrow" }), ["scheduled_at"]);
  assert.equal(await faults({ title: " " }), ["title"]);
});

story("a preview is what LINE would get, for how many, and what LINE has left", async () => {
  const members = await api.members(3);
  await api.members(1, { accept_marketing: false });
  await api.members(1, { blocked_at: new Date() });
  const everybody = await api.tag("Preview", members);
  Object.assign(line.quota, { limit: 1000, used: 10 });
  const { id: template_id } = await api.template({
    type: "text_button",
    content: "Autumn is here",
    buttons: [{ label: "Offers", action_url: "https://hotel.example/offers" }, { label: "Call me" }],
  });
  const { id } = await api.add({ template_id, target_audience: { type: "tags", include_tags: [everybody] } });
  const Preview = Exactly({
    messages: Type.Array(Type.Unknown()),
    audience_count: Type.Integer(),
    quota: Exactly({ limit: Type.Integer(), used: Type.Integer(), remaining: Type.Integer() }),
  });
  const shown = dataOf(await crm.get(`/campaigns/${id}/preview`), Preview);
  assert.is(shown.audience_count, 3);
  assert.equal(shown.quota, { limit: 1000, used: 10, remaining: 990 });
  assert.is(line.ledger.copies, 0, "nobody gets a preview");

  await api.send(id);
  await api.settled(id);
  const [first] = members;
  assert.equal(line.ledger.received(first?.uid ?? "")[0]?.messages, shown.messages);
  Object.assign(line.quota, { limit: null, used: 0 });
});

story(
  "an audience is by tags, any or all, less the excluded, and by days since they followed in the hotel's zone",
  async () => {
    const [a, b, both, neither] = [
      await api.members(1),
      await api.members(2),
      await api.members(4),
      await api.members(8),
    ];
    const first = await api.tag("First", [...a, ...both]);
    const second = await api.tag("Second", [...b, ...both]);
    const reach = await api.tag("Reach", [...a, ...b, ...both, ...neither]);
    const count = async (target_audience: object, trigger_condition: object | null = null) => {
      const { id } = await api.add({ target_audience: { type: "tags", ...target_audience }, trigger_condition });
      return dataOf(await crm.get(`/campaigns/${id}/preview`), Type.Object({ audience_count: Type.Integer() }))
        .audience_count;
    };
    assert.is(await count({ include_tags: [first, second] }), 7);
    assert.is(await count({ include_tags: [first, second, first], tags_mode: "all" }), 4);
    assert.is(await count({ include_tags: [reach], exclude_tags: [second] }), 9);
    assert.is(await count({ include_tags: [second], exclude_tags: [second] }), 0);

    // Midnight in Taipei, seven and eight days ago, and a second before each.
    const midnight = (days: number) =>
      `(((now() AT TIME ZONE 'Asia/Taipei')::date - ${days})::timestamp AT TIME ZONE 'Asia/Taipei')`;
    const friended = (id: number | undefined, sql: string) =>
      crm.database.query(`UPDATE members SET friended_at = ${sql} WHERE id = $1`, [id]);
    await friended(both[0]?.id, midnight(7));
    await friended(both[1]?.id, `${midnight(7)} - interval '1 second'`);
    await friended(both[2]?.id, `${midnight(29)} - interval '1 second'`);
    await friended(both[3]?.id, midnight(6));
    const days = (from: number, to: number) =>
      count({ include_tags: [first] }, { type: "friend_days", days_range: [from, to] });
    assert.is(await days(7, 29), 2);
    assert.is(await days(7, 7), 1);
    assert.is(await days(8, 8), 1);
    assert.is(await days(0, 6), 2);
    assert.is(await days(30, 30), 1);
  },
);

story("a campaign that is sent answers at once with its recipients, and shows what became of them", async () => {
  const members = await api.members(3, { last_name: "王", first_name: "小明", email: "wang.ming@email.com" });
  const tag = await api.tag("Guests", members);
  const { id } = await api.add({ target_audience: { type: "tags", include_tags: [tag] } });
  const sent = await crm.post(`/campaigns/${id}/send`);
  const begun = dataOf(sent, Begun);
  assert.is(sent.body["message"], "Campaign sent successfully");
  assert.equal([begun.campaign_id, begun.sent_count], [id, 3]);
  const ended = await api.settled(id);
  assert.equal([ended.status, ended.sent_count, ended.failed_count, ended.audience_count], ["sent", 3, 0, 3]);

  const page = dataOf(await crm.get(`/campaigns/${id}/recipients?page_size=2`), Recipients);
  assert.equal([page.items.length, page.total, page.total_pages], [2, 3, 2]);
  const [recipient] = page.items;
  assert.equal(recipient?.member, { id: members[0]?.id, name: "王小明", email: "wang.ming@email.com" });
  assert.equal([recipient?.status, recipient?.opened_at, recipient?.clicked_at], ["sent", null, null]);
  assert.type(recipient?.sent_at, "string");
  for (const status of ["opened", "clicked", "failed", "pending"]) {
    assert.is(dataOf(await crm.get(`/campaigns/${id}/recipients?status=${status}`), Recipients).total, 0, status);
  }
  problemOf(await crm.get("/campaigns/999999/recipients"), 404);
});

story("a state that does not allow something is named: 409, and nothing changes", async () => {
  const { id } = await api.add({ target_audience: { type: "tags", include_tags: [await api.tag("Nobody", [])] } });
  const refused = async (answer: ReturnType<Crm["post"]>, state: string) => {
    const { message, errors } = problemOf(await answer, 409);
    assert.match(message, state);
    assert.equal(errors, [{ field: "status", message: `is ${state}` }]);
  };
  for (const what of ["cancel", "pause", "resume"]) await refused(crm.post(`/campaigns/${id}/${what}`), "draft");
  const scheduled = await api.add({ scheduled_at: "2099-01-01T00:00:00Z" });
  await refused(crm.delete(`/campaigns/${scheduled.id}`), "scheduled");
  await refused(crm.post(`/campaigns/${scheduled.id}/pause`), "scheduled");
  const cancelled = dataOf(await crm.post(`/campaigns/${scheduled.id}/cancel`), Standing);
  assert.equal(cancelled, { campaign_id: scheduled.id, status: "cancelled", sent_count: 0 });
  for (const what of ["send", "cancel"]) await refused(crm.post(`/campaigns/${scheduled.id}/${what}`), "cancelled");
  await refused(crm.put(`/campaigns/${scheduled.id}`, { title: "New" }), "cancelled");

  assert.is((await api.send(id)).sent_count, 0, "nobody: it is sent all the same");
  assert.is((await api.read(id)).status, "sent");
  for (const what of ["send", "cancel", "pause", "resume"]) await refused(crm.post(`/campaigns/${id}/${what}`), "sent");
  await refused(crm.delete(`/campaigns/${id}`), "sent");
  await refused(crm.put(`/campaigns/${id}`, { title: "New" }), "sent");
  const draft = await api.add();
  const deleted = await crm.delete(`/campaigns/${draft.id}`);
  assert.is(deleted.body["message"], "Campaign deleted successfully");
  for (const answer of [crm.get(`/campaigns/${draft.id}`), crm.post(`/campaigns/${draft.id}/send`)])
    problemOf(await answer, 404);
});

story("of fifty who send the same campaign at once, one does", async () => {
  const members = await api.members(5);
  const { id } = await api.add({ target_audience: { type: "tags", include_tags: [await api.tag("Once", members)] } });
  const answers = await Promise.all(Array.from({ length: 50 }, () => crm.post(`/campaigns/${id}/send`)));
  assert.is(answers.filter(({ status }) => status === 200).length, 1);
  assert.is(answers.filter(({ status }) => status === 409).length, 49);
  await api.settled(id);
  for (const { uid } of members) assert.is(line.ledger.count(uid), 1);
});

story("a test goes to named members only, and counts nowhere", async () => {
  const [colleague] = await api.members(1, { accept_marketing: false });
  const others = await api.members(2);
  const { id } = await api.add({ target_audience: { type: "tags", include_tags: [await api.tag("Real", others)] } });
  const Tested = Exactly({
    campaign_id: Type.Integer(),
    sent_count: Type.Integer(),
    results: Type.Array(Exactly({ member_id: Type.Integer(), status: Type.String(), error_message: Type.Unknown() })),
  });
  const tested = dataOf(await crm.post(`/campaigns/${id}/test`, { member_ids: [colleague?.id] }), Tested);
  assert.equal(tested, {
    campaign_id: id,
    sent_count: 1,
    results: [{ member_id: colleague?.id, status: "sent", error_message: null }],
  });
  assert.is(line.ledger.count(colleague?.uid ?? ""), 1);
  for (const { uid } of others) assert.is(line.ledger.count(uid), 0);
  const { status, sent_count } = await api.read(id);
  assert.equal([status, sent_count], ["draft", 0]);

  const { rows } = await crm.database.query<{ id: number }>(
    "INSERT INTO members (source) VALUES ('crm') RETURNING id::float8 AS id",
  );
  const { errors } = problemOf(await crm.post(`/campaigns/${id}/test`, { member_ids: [rows[0]?.id, 999_999] }), 400);
  assert.equal(
    errors.map(({ field }) => field),
    ["member_ids", "member_ids"],
  );
});

story.run();
