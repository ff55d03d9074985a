/** Tags, as marketing keeps them. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataOf, Exactly, PageOf, problemOf, startCrm, type Crm } from "./crm.ts";
import { stopAll } from "./system.ts";

const story = suite("CRM: tags");

let crm: Crm;

story.before(async () => {
  crm = await startCrm({ env: { FUNCTIONS: "crm/members/*,crm/tags/*,crm/templates/*" } });
});
story.before.each(
  async () =>
    void (await crm.database.query(
      "DELETE FROM campaigns; DELETE FROM message_templates; DELETE FROM members; DELETE FROM tags",
    )),
);
story.after(async () => {
  await stopAll();
  await crm.close();
});

const common = {
  id: Type.Integer(),
  name: Type.String(),
  type: Type.Enum(["member", "interaction"]),
  source: Type.Enum(["api", "manual"]),
  member_count: Type.Integer(),
  created_at: Type.String(),
};
const ListedMemberTag = Exactly(common);
const ListedTag = Type.Union([ListedMemberTag, Exactly({ ...common, trigger_count: Type.Integer() })]);
const Tag = Exactly({
  ...common,
  description: Type.Union([Type.String(), Type.Null()]),
  campaign_id: Type.Union([Type.Integer(), Type.Null()]),
  trigger_count: Type.Integer(),
  updated_at: Type.Union([Type.String(), Type.Null()]),
});
const Statistics = Exactly({
  total_tags: Type.Integer(),
  member_tags: Type.Integer(),
  interaction_tags: Type.Integer(),
  most_used_tag: Type.Union([
    Exactly({ id: Type.Integer(), name: Type.String(), member_count: Type.Integer() }),
    Type.Null(),
  ]),
});

const make = async (tag: object) => dataOf(await crm.post("/tags", tag), Tag);
const rows = async (sql: string, values: unknown[] = []) => (await crm.database.query(sql, values)).rows;
const names = async (query: string) =>
  dataOf(await crm.get(`/tags?${query}`), PageOf(ListedTag)).items.map(({ name }) => name);

async function members(count: number): Promise<number[]> {
  const made = await rows(
    "INSERT INTO members (first_name, source) SELECT 'm' || n, 'crm' FROM generate_series(1, $1) AS n RETURNING id::int",
    [count],
  );
  return made.map(({ id }) => id as number);
}

story("a tag is made as the document shows, listed, changed and deleted", async () => {
  const given = { name: "新標籤", type: "member", source: "manual", description: "標籤描述" };
  const { id, created_at: _, ...made } = await make(given);
  assert.equal(made, { ...given, campaign_id: null, member_count: 0, trigger_count: 0, updated_at: null });
  const [listed] = dataOf(await crm.get("/tags?type=member"), PageOf(ListedMemberTag)).items;
  assert.equal([listed?.id, listed?.name, listed?.source], [id, "新標籤", "manual"]);
  const changed = dataOf(await crm.put(`/tags/${id}`, { ...given, name: "VIP會員", source: "api" }), Tag);
  assert.equal([changed.name, changed.source, changed.description], ["VIP會員", "api", "標籤描述"]);
  assert.is(dataOf(await crm.get(`/tags/${id}`), Tag).name, "VIP會員");
  const answer = await crm.delete(`/tags/${id}`);
  dataOf(answer, Type.Null());
  assert.is(answer.body["message"], "Tag deleted successfully");
  for (const gone of [crm.delete(`/tags/${id}`), crm.get(`/tags/${id}`), crm.put(`/tags/${id}`, given)]) {
    problemOf(await gone, 404);
  }
});

story("tags are found by type and part of the name", async () => {
  for (const name of ["VIP會員", "vip lounge", "商務客", "100%_\\"]) await make({ name, type: "member" });
  await make({ name: "VIP會員", type: "interaction" });
  const { page_size: size, total } = dataOf(await crm.get("/tags"), PageOf(ListedTag));
  assert.equal([size, total], [50, 5]);
  assert.equal(await names("search=VIP"), ["VIP會員", "vip lounge", "VIP會員"]);
  assert.equal(await names(`type=interaction&search=${encodeURIComponent("會員")}`), ["VIP會員"]);
  assert.equal(await names(`search=${encodeURIComponent("%_\\")}`), ["100%_\\"]);
  assert.equal(await names("page=2&page_size=2"), ["商務客", "100%_\\"]);
  problemOf(await crm.get("/tags?type=x"), 400);
});

story("a name is one tag's within its type", async () => {
  const { id } = await make({ name: "VIP會員", type: "member" });
  const other = await make({ name: "商務客", type: "member" });
  for (const answer of [
    await crm.post("/tags", { name: " VIP會員 ", type: "member" }),
    await crm.put(`/tags/${other.id}`, { name: "VIP會員" }),
  ]) {
    assert.equal(problemOf(answer, 409).errors, [{ field: "name", message: "is another tag's" }]);
  }
  dataOf(await crm.put(`/tags/${id}`, { name: "VIP會員" }), Tag);
  for (const bad of [
    { name: "", type: "member" },
    { name: "x".repeat(51), type: "member" },
    { name: "x" },
    { name: "x", type: "y" },
    { name: "a\u0000", type: "member" },
  ]) {
    problemOf(await crm.post("/tags", bad), 400);
  }
  problemOf(await crm.post("/tags", { name: "x", type: "interaction", campaign_id: 999_999 }), 404);
});

story("statistics tell how many there are, and the one that most members have", async () => {
  const none = dataOf(await crm.get("/tags/statistics"), Statistics);
  assert.equal(none, { total_tags: 0, member_tags: 0, interaction_tags: 0, most_used_tag: null });
  const [few, many] = [await make({ name: "few", type: "interaction" }), await make({ name: "many", type: "member" })];
  const [first, second] = await members(2);
  await crm.post(`/members/${first}/tags`, { tag_ids: [few.id, many.id] });
  await crm.post(`/members/${second}/tags`, { tag_ids: [many.id] });
  assert.equal(dataOf(await crm.get("/tags/statistics"), Statistics), {
    total_tags: 2,
    member_tags: 1,
    interaction_tags: 1,
    most_used_tag: { id: many.id, name: "many", member_count: 2 },
  });
});

story("however many set tags at once, the counts are right", async () => {
  const tags = await Promise.all(["a", "b", "c"].map((name) => make({ name, type: "interaction" })));
  const wanted = tags.map(({ id }) => id);
  const people = await members(20);
  await Promise.all(
    people.flatMap((id, index) => [
      crm.post(`/members/${id}/tags`, { tag_ids: index % 2 === 0 ? wanted : wanted.toReversed() }),
      crm.post(`/members/${id}/tags`, { tag_ids: wanted.slice(1) }),
    ]),
  );
  await Promise.all(people.slice(0, 5).map((id) => crm.delete(`/members/${id}/tags/${wanted[1]}`)));
  await Promise.all(people.slice(15).map((id) => crm.delete(`/members/${id}`)));
  const counted = await rows("SELECT member_count, trigger_count FROM tags ORDER BY name");
  assert.equal(counted, [
    { member_count: 15, trigger_count: 15 },
    { member_count: 10, trigger_count: 15 },
    { member_count: 15, trigger_count: 15 },
  ]);
});

story("a deleted tag is taken from all members; one that is needed stays, and what needs it is named", async () => {
  const [plain, used] = [
    await make({ name: "plain", type: "member" }),
    await make({ name: "used", type: "interaction" }),
  ];
  const [member] = await members(1);
  await crm.post(`/members/${member}/tags`, { tag_ids: [plain.id, used.id] });
  dataOf(await crm.delete(`/tags/${plain.id}`), Type.Null());
  assert.equal(await rows("SELECT tag_id::int FROM member_tag_relations"), [{ tag_id: used.id }]);

  const [template] = await rows(
    `INSERT INTO message_templates (type, name, buttons) VALUES ('text_button', '中秋', $1) RETURNING id::int`,
    [JSON.stringify([{ label: "x" }, { label: "y", interaction_tag_id: used.id }])],
  );
  const campaign = async (status: string, audience: object) => {
    const [made] = await rows(
      "INSERT INTO campaigns (title, template_id, target_audience, status) VALUES ('秋', $1, $2, $3) RETURNING id::int",
      [template.id, audience, status],
    );
    return made.id as number;
  };
  await campaign("sent", { type: "tags", include_tags: [used.id] });
  const coming = await campaign("scheduled", { type: "tags", exclude_tags: [used.id] });
  const [answering] = await rows(
    "INSERT INTO auto_responses (name, trigger_type, content, template_id) VALUES ('歡迎', 'welcome', 'x', $1) RETURNING id::int",
    [template.id],
  );
  const { errors, message } = problemOf(await crm.delete(`/tags/${used.id}`), 409);
  assert.equal(errors, [
    { field: "template", message: `${template.id} 中秋` },
    { field: "campaign", message: `${coming} 秋` },
    { field: "auto_response", message: `${answering.id} 歡迎` },
  ]);
  assert.match(message, `template ${template.id}`);
  await rows("UPDATE message_templates SET buttons = NULL, interaction_tag_id = $1", [used.id]);
  problemOf(await crm.delete(`/tags/${used.id}`), 409);
  await rows("UPDATE message_templates SET interaction_tag_id = NULL");
  await rows("UPDATE campaigns SET status = 'cancelled'");
  dataOf(await crm.delete(`/tags/${used.id}`), Type.Null());
  await rows("DELETE FROM auto_responses");
});

story("a tag that a template sets keeps its type; one that campaigns choose by may get another", async () => {
  const used = await make({ name: "used", type: "interaction" });
  const [template] = await rows(
    `INSERT INTO message_templates (type, name, interaction_tag_id) VALUES ('text', '中秋', $1) RETURNING id::int`,
    [used.id],
  );
  await rows("INSERT INTO campaigns (title, template_id, target_audience, status) VALUES ('秋', $1, $2, 'draft')", [
    template.id,
    { type: "tags", include_tags: [used.id] },
  ]);
  const refused = problemOf(await crm.put(`/tags/${used.id}`, { name: "renamed", type: "member" }), 409);
  assert.equal(refused.errors, [{ field: "template", message: `${template.id} 中秋` }]);
  const kept = dataOf(await crm.get(`/tags/${used.id}`), Tag);
  assert.equal([kept.name, kept.type], ["used", "interaction"]);
  const renamed = dataOf(await crm.put(`/tags/${used.id}`, { name: "renamed", type: "interaction" }), Tag);
  assert.equal([renamed.name, renamed.type], ["renamed", "interaction"]);
  await rows("UPDATE message_templates SET interaction_tag_id = NULL");
  assert.is(dataOf(await crm.put(`/tags/${used.id}`, { type: "member" }), Tag).type, "member");
  assert.is(dataOf(await crm.put(`/tags/${used.id}`, { type: "interaction" }), Tag).type, "interaction");
});

story("of a template and another type for the tag that it sets, saved at once, one comes first", async () => {
  const tags = await Promise.all(Array.from({ length: 8 }, (_, n) => make({ name: `t${n}`, type: "interaction" })));
  const answers = await Promise.all(
    tags.flatMap(({ id }) => [
      crm.post("/templates", { type: "text_button", content: "x", buttons: [{ label: "y", interaction_tag_id: id }] }),
      crm.put(`/tags/${id}`, { type: "member" }),
    ]),
  );
  for (const [n] of tags.entries()) {
    const statuses = answers.slice(2 * n, 2 * n + 2).map(({ status }) => status);
    assert.ok(["200,409", "400,200"].includes(statuses.join()), statuses.join());
  }
});

story("customer service reads tags and sets them, and makes none", async () => {
  const { token } = await crm.person("customer_service");
  const { id } = await make({ name: "x", type: "member" });
  dataOf(await crm.get("/tags", { token }), PageOf(ListedTag));
  const [member] = await members(1);
  assert.is((await crm.post(`/members/${member}/tags`, { tag_ids: [id] }, { token })).status, 200);
  for (const refused of [
    crm.post("/tags", { name: "y", type: "member" }, { token }),
    crm.put(`/tags/${id}`, { name: "y" }, { token }),
    crm.delete(`/tags/${id}`, { token }),
  ]) {
    problemOf(await refused, 403);
  }
});

story.run();
