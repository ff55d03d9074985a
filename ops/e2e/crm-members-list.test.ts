/** The list of members, as the hotel's staff finds somebody in it. */
import { Type, type Static } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataOf, PageOf, problemOf, startCrm, type Crm } from "./crm.ts";
import { Detail, Listed, ming } from "./crm-members.fixture.ts";
import { stopAll } from "./system.ts";

const story = suite("CRM: list of members");

let crm: Crm;

story.before(async () => {
  crm = await startCrm({ env: { FUNCTIONS: "crm/members/*,crm/tags/*" } });
});
story.before.each(async () => void (await crm.database.query("DELETE FROM members; DELETE FROM tags")));
story.after(async () => {
  await stopAll();
  await crm.close();
});

const add = async (member: object) => dataOf(await crm.post("/members", member), Detail);
const list = async (query: string) => dataOf(await crm.get(`/members?${query}`), PageOf(Listed));
const ids = ({ items }: { items: Static<typeof Listed>[] }) => items.map(({ id }) => id);
const found = async (query: string) => ids(await list(query));
const search = (text: string) => found(`search=${encodeURIComponent(text)}`);

async function tag(name: string, type = "member"): Promise<number> {
  return dataOf(await crm.post("/tags", { name, type }), Type.Object({ id: Type.Integer() })).id;
}
const tagMember = (id: number, tags: number[]) => crm.post(`/members/${id}/tags`, { tag_ids: tags });

story("members are found by name in either order, e-mail and phone", async () => {
  const { id } = await add(ming);
  const other = await add({
    last_name: "王",
    first_name: "大明",
    phone: "+886 2 2345 6789",
    email: "DaMing@example.com",
  });
  const western = await add({ last_name: "Li", first_name: "Wei" });
  for (const text of [
    "王小明",
    "小明王",
    "王 小明",
    "小明　王",
    "wang.ming@email.com",
    "WANG.ming",
    "0912-345",
    "0912345678",
    "12-345-678",
    "+886 912 345 678",
    "日常",
  ]) {
    assert.equal(await search(text), [id], text);
  }
  assert.equal(await search("王"), [other.id, id]);
  assert.equal(await search("明王"), [other.id, id]);
  assert.equal(await search("02-2345-6789"), [other.id]);
  assert.equal(await search("daming"), [other.id]);
  for (const text of ["li", "Li Wei", "ＬＩ", "wei li", "LiWei"]) assert.equal(await search(text), [western.id], text);
  for (const text of ["王大華", "小王", "%", "_", "\\", "'", "09123456789", "ei"])
    assert.equal(await search(text), [], text);
  assert.is((await search("")).length, 3);
  // Found by what he is called now.
  await crm.put(`/members/${id}`, { last_name: "陳" });
  assert.equal([await search("王小明"), await search("陳小明")], [[], [id]]);
  problemOf(await crm.get("/members?search=%00"), 400);
});

story("the list is filtered, sorted and paged, and tells each member's tags", async () => {
  const [vip, business, autumn] = [await tag("VIP會員"), await tag("商務客"), await tag("中秋活動", "interaction")];
  const people = [];
  for (const [last, email] of [
    ["陳", "c@x.tw"],
    ["王", "b@x.tw"],
    ["李", "a@x.tw"],
    ["", ""],
  ] as const) {
    const named = { last_name: last || null, email: email || null, phone: "0912345678" };
    people.push((await add(named)).id);
  }
  const [chen = 0, wang = 0, li = 0, nobody = 0] = people;
  await tagMember(chen, [vip]);
  await tagMember(wang, [vip, business, autumn]);
  await crm.database.query("UPDATE members SET last_interaction_at = now() - interval '1 day' WHERE id = $1", [li]);
  await crm.database.query("UPDATE members SET last_interaction_at = now(), source = 'line' WHERE id = $1", [chen]);

  const page = await list(
    `tags=${vip},${business}&source=crm&sort_by=last_interaction_at&order=desc&page=1&page_size=20`,
  );
  assert.equal([page.total, page.page, page.page_size, page.total_pages], [1, 1, 20, 1]);
  assert.equal(page.items[0]?.tags, [
    { id: vip, name: "VIP會員", type: "member" },
    { id: business, name: "商務客", type: "member" },
    { id: autumn, name: "中秋活動", type: "interaction" },
  ]);
  assert.equal(await found(`tags=${vip},${business}`), [wang, chen]);
  assert.equal(await found(`tags=${vip},${business}&tags_mode=all`), [wang]);
  assert.equal(await found(`tags=${vip}`), [wang, chen]);
  assert.equal(await found(`tags=${vip}&search=0912`), [wang, chen]);
  assert.equal(await found("tags=999999"), []);
  assert.equal(await found("source=line&search=0912"), [chen]);
  assert.equal(await found("sort_by=last_interaction_at"), [chen, li, nobody, wang]);
  assert.equal(await found("sort_by=last_interaction_at&order=asc"), [wang, nobody, li, chen]);
  assert.equal(await found("sort_by=email&order=asc"), [li, wang, chen, nobody]);
  assert.equal(await found("sort_by=last_name&order=asc"), [li, wang, chen, nobody]);
  assert.equal(await found("sort_by=created_at&order=asc"), [chen, wang, li, nobody]);

  const second = await list("page=2&page_size=3");
  assert.equal([ids(second), second.total, second.total_pages], [[chen], 4, 2]);
  assert.equal([(await list("page=9")).items, (await list("page_size=1000")).page_size], [[], 100]);
  problemOf(await crm.get("/members?page=1002&page_size=100"), 400);
  for (const bad of ["sort_by=notes", "order=up", "tags=1;2", "source=web", "page=0"]) {
    problemOf(await crm.get(`/members?${bad}`), 400);
  }
});

story.run();
