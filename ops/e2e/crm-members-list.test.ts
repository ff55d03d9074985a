/** The list of members, as the hotel's staff finds somebody in it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { problemOf, type Crm } from "./crm.ts";
import { ming, startMembers, type members } from "./crm-members.fixture.ts";

const story = suite("CRM: list of members");

let hotel: Awaited<ReturnType<typeof startMembers>>;
let crm: Crm;
let api: ReturnType<typeof members>;

story.before(async () => {
  hotel = await startMembers();
  ({ crm, api } = hotel);
});
story.before.each(() => api.clear());
story.after(() => hotel.close());

story("members are found by name in either order, e-mail and phone", async () => {
  const { id } = await api.add(ming);
  const other = await api.add({
    last_name: "王",
    first_name: "大明",
    phone: "+886 2 2345 6789",
    email: "DaMing@example.com",
  });
  const western = await api.add({ last_name: "Li", first_name: "Wei" });
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
    assert.equal(await api.search(text), [id], text);
  }
  assert.equal(await api.search("王"), [other.id, id]);
  assert.equal(await api.search("明王"), [other.id, id]);
  assert.equal(await api.search("02-2345-6789"), [other.id]);
  assert.equal(await api.search("daming"), [other.id]);
  for (const text of ["li", "Li Wei", "ＬＩ", "wei li", "LiWei"])
    assert.equal(await api.search(text), [western.id], text);
  for (const text of ["王大華", "小王", "%", "_", "\\", "'", "09123456789", "ei"])
    assert.equal(await api.search(text), [], text);
  assert.is((await api.search("")).length, 3);
  // Found by what he is called now.
  await crm.put(`/members/${id}`, { last_name: "陳" });
  assert.equal([await api.search("王小明"), await api.search("陳小明")], [[], [id]]);
  problemOf(await crm.get("/members?search=%00"), 400);
});

story("the list is filtered, sorted and paged, and tells each member's tags", async () => {
  const [vip, business, autumn] = [
    await api.tag("VIP會員"),
    await api.tag("商務客"),
    await api.tag("中秋活動", "interaction"),
  ];
  const people = [];
  for (const [last, email] of [
    ["陳", "c@x.tw"],
    ["王", "b@x.tw"],
    ["李", "a@x.tw"],
    ["", ""],
  ] as const) {
    const named = { last_name: last || null, email: email || null, phone: "0912345678" };
    people.push((await api.add(named)).id);
  }
  const [chen = 0, wang = 0, li = 0, nobody = 0] = people;
  await api.tagMember(chen, [vip]);
  await api.tagMember(wang, [vip, business, autumn]);
  await crm.database.query("UPDATE members SET last_interaction_at = now() - interval '1 day' WHERE id = $1", [li]);
  await crm.database.query("UPDATE members SET last_interaction_at = now(), source = 'line' WHERE id = $1", [chen]);

  const page = await api.list(
    `tags=${vip},${business}&source=crm&sort_by=last_interaction_at&order=desc&page=1&page_size=20`,
  );
  assert.equal([page.total, page.page, page.page_size, page.total_pages], [1, 1, 20, 1]);
  assert.equal(page.items[0]?.tags, [
    { id: vip, name: "VIP會員", type: "member" },
    { id: business, name: "商務客", type: "member" },
    { id: autumn, name: "中秋活動", type: "interaction" },
  ]);
  assert.equal(await api.found(`tags=${vip},${business}`), [wang, chen]);
  assert.equal(await api.found(`tags=${vip},${business}&tags_mode=all`), [wang]);
  assert.equal(await api.found(`tags=${vip}`), [wang, chen]);
  assert.equal(await api.found(`tags=${vip}&search=0912`), [wang, chen]);
  assert.equal(await api.found("tags=999999"), []);
  assert.equal(await api.found("source=line&search=0912"), [chen]);
  assert.equal(await api.found("sort_by=last_interaction_at"), [chen, li, nobody, wang]);
  assert.equal(await api.found("sort_by=last_interaction_at&order=asc"), [wang, nobody, li, chen]);
  assert.equal(await api.found("sort_by=email&order=asc"), [li, wang, chen, nobody]);
  assert.equal(await api.found("sort_by=last_name&order=asc"), [li, wang, chen, nobody]);
  assert.equal(await api.found("sort_by=created_at&order=asc"), [chen, wang, li, nobody]);

  const second = await api.list("page=2&page_size=3");
  assert.equal([second.items.map(({ id }) => id), second.total, second.total_pages], [[chen], 4, 2]);
  assert.equal([(await api.list("page=9")).items, (await api.list("page_size=1000")).page_size], [[], 100]);
  problemOf(await crm.get("/members?page=1002&page_size=100"), 400);
  for (const bad of ["sort_by=notes", "order=up", "tags=1;2", "source=web", "page=0"]) {
    problemOf(await crm.get(`/members?${bad}`), 400);
  }
});

story.run();
