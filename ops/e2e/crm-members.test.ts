/** Members and their tags, as the hotel's staff meets them. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../harness/eventually.ts";
import { dataOf, Exactly, PageOf, problemOf, type Crm, type CrmPerson } from "./crm.ts";
import { Detail, ming, startMembers, TagOfMember, Text, type members } from "./crm-members.fixture.ts";

const story = suite("CRM: members");

let hotel: Awaited<ReturnType<typeof startMembers>>;
let crm: Crm;
let api: ReturnType<typeof members>;
let marketing: CrmPerson;
let service: CrmPerson;

story.before(async () => {
  hotel = await startMembers();
  ({ crm, api } = hotel);
  [marketing, service] = [await crm.person("marketing"), await crm.person("customer_service")];
});
story.before.each(() => api.clear());
story.after(() => hotel.close());

const Stay = Exactly({
  id: Type.Integer(),
  order_number: Type.String(),
  room_type: Text,
  amount: Type.Number(),
  check_in_date: Text,
  check_out_date: Text,
  nights: Type.Union([Type.Integer(), Type.Null()]),
  created_at: Type.String(),
});
const Tagged = Exactly({ member_id: Type.Integer(), tags: Type.Array(TagOfMember) });

story("a member is added as the document shows, and read with what he has spent", async () => {
  const answer = await crm.post("/members", {
    email: "new.member@email.com",
    phone: "0987-654-321",
    first_name: "小華",
    last_name: "李",
    gender: "female",
    id_number: "B987654321",
  });
  const { id, created_at: _, ...rest } = dataOf(answer, Detail);
  assert.equal(rest, {
    line_uid: null,
    line_display_name: null,
    line_picture_url: null,
    first_name: "小華",
    last_name: "李",
    gender: "female",
    birthday: null,
    email: "new.member@email.com",
    phone: "0987-654-321",
    id_number: "B987654321",
    source: "crm",
    accept_marketing: true,
    notes: null,
    tags: [],
    consumption_summary: { total_amount: 0, total_orders: 0, average_amount: 0 },
    last_interaction_at: null,
  });
  await crm.database.query(
    `INSERT INTO consumption_records (member_id, order_number, room_type, amount, check_in_date, check_out_date, nights, source)
     VALUES ($1, '#2025091501', '商務雙人房', 18000, '2025-09-15', '2025-09-18', 3, 'pms'), ($1, '#2', NULL, 7000.5, NULL, NULL, NULL, 'manual'),
            ($1, '#3', NULL, 1, '2025-09-16', NULL, NULL, 'manual')`,
    [id],
  );
  const { consumption_summary: summary } = dataOf(await crm.get(`/members/${id}`), Detail);
  assert.equal(summary, { total_amount: 25001.5, total_orders: 3, average_amount: 8333.83 });

  const stays = dataOf(await crm.get(`/members/${id}/consumption-records?page=1&page_size=2`), PageOf(Stay));
  assert.equal([stays.total, stays.page, stays.page_size, stays.total_pages], [3, 1, 2, 2]);
  const shown = stays.items.map(({ order_number: order, check_in_date: day }) => [order, day]);
  assert.equal(shown, [
    ["#3", "2025-09-16"],
    ["#2025091501", "2025-09-15"],
  ]);
  const last = dataOf(await crm.get(`/members/${id}/consumption-records?page=2&page_size=2`), PageOf(Stay));
  assert.equal([last.items.length, last.items[0]?.amount, last.items[0]?.nights], [1, 7000.5, null]);
});

story("what is wrong with a member is told by field", async () => {
  const bad = {
    email: "x@",
    phone: "09ab",
    birthday: "2999-01-01",
    id_number: "王小明",
    line_uid: "1",
    first_name: "x",
  };
  const { message, errors } = problemOf(await crm.post("/members", bad), 400);
  assert.is(message, "Invalid request parameters");
  assert.equal(errors, [
    { field: "line_uid", message: "Invalid LINE user id" },
    { field: "birthday", message: "Must not be in the future" },
    { field: "email", message: "Invalid email format" },
    { field: "phone", message: "Invalid phone number" },
    { field: "id_number", message: "Invalid id number" },
  ]);
  for (const body of [
    {},
    { notes: "x" },
    { first_name: "\u0000" },
    { gender: "x" },
    { birthday: "2025-02-30" },
    { email: 1 },
    [],
  ]) {
    problemOf(await crm.post("/members", body), 400);
  }
  const { id } = await api.add(ming);
  assert.is(problemOf(await crm.put(`/members/${id}`, { email: "x" }), 400).errors[0]?.field, "email");
});

story("an id number and a LINE user id are one member's", async () => {
  const { id } = await api.add(ming);
  for (const [field, value] of [
    ["id_number", " a 123456789"],
    ["line_uid", ming.line_uid],
  ] as const) {
    const { errors, message } = problemOf(await crm.post("/members", { [field]: value }), 409);
    assert.equal(errors, [{ field, message: "is another member's" }]);
    assert.is(message, `${field} is another member's`);
  }
  const other = await api.add({ first_name: "x" });
  assert.is(
    problemOf(await crm.put(`/members/${other.id}`, { id_number: "A123456789" }), 409).errors[0]?.field,
    "id_number",
  );
  dataOf(await crm.put(`/members/${id}`, { id_number: "a123456789" }), Detail);
  const both = await Promise.all([0, 1].map(() => crm.post("/members", { id_number: "C100000001" })));
  assert.equal(both.map(({ status }) => status).toSorted(), [200, 409]);
});

story("only an admin sees an id number whole, and it is nowhere in clear", async () => {
  const { id } = await api.add({ ...ming, id_number: "F131104093" });
  const seen = async ({ token }: CrmPerson) => dataOf(await crm.get(`/members/${id}`, { token }), Detail).id_number;
  assert.equal(
    [await seen(crm.admin), await seen(marketing), await seen(service)],
    ["F131104093", "F****093", "F****093"],
  );
  // Saved as it was shown, it stays.
  await crm.put(`/members/${id}`, { id_number: "F****093", first_name: "大明" }, { token: marketing.token });
  assert.is(await seen(crm.admin), "F131104093");
  problemOf(await crm.put(`/members/${id}`, { id_number: "F****094" }), 400);
  const { rows } = await crm.database.query("SELECT members::text AS row FROM members");
  assert.not.match(JSON.stringify(rows), "131104093");
  const { stdout, stderr } = await crm.system.output();
  assert.not.match(stdout + stderr, "131104093");
});

story("what is left out of a change stays, null takes it away", async () => {
  const { id } = await api.add(ming);
  const changed = dataOf(
    await crm.put(`/members/${id}`, { phone: null, notes: "高樓層", accept_marketing: false }),
    Detail,
  );
  assert.equal([changed.phone, changed.notes, changed.accept_marketing], [null, "高樓層", false]);
  assert.equal([changed.email, changed.birthday, changed.id_number], [ming.email, ming.birthday, ming.id_number]);
  assert.is(dataOf(await crm.put(`/members/${id}`, { id_number: null }), Detail).id_number, null);
  const nothing = {
    phone: null,
    email: null,
    first_name: null,
    last_name: null,
    line_uid: null,
    line_display_name: null,
  };
  problemOf(await crm.put(`/members/${id}`, nothing), 400);
});

story("tags are added and taken away, and counted", async () => {
  const [vip, autumn] = [await api.tag("VIP會員"), await api.tag("中秋活動", "interaction")];
  const { id } = await api.add(ming);
  const answer = await api.tagMember(id, [vip, autumn, vip]);
  assert.is(answer.body["message"], "Tags added successfully");
  const tags = [
    { id: vip, name: "VIP會員", type: "member" as const },
    { id: autumn, name: "中秋活動", type: "interaction" as const },
  ];
  assert.equal(dataOf(answer, Tagged), { member_id: id, tags });
  await api.tagMember(id, [autumn]);
  const { rows } = await crm.database.query("SELECT member_id::int, tag_id::int, trigger_source FROM tag_trigger_logs");
  assert.equal(rows, [{ member_id: id, tag_id: autumn, trigger_source: "manual" }]);

  dataOf(await crm.delete(`/members/${id}/tags/${vip}`), Type.Null());
  problemOf(await crm.delete(`/members/${id}/tags/${vip}`), 404);
  const { errors } = problemOf(await api.tagMember(id, [vip, 999_999]), 404);
  assert.equal(errors, [{ field: "tag_ids", message: "No tag has the id 999999" }]);
  assert.equal(
    dataOf(await crm.get(`/members/${id}`), Detail).tags,
    tags.slice(1),
    "one that is unknown: none is added",
  );
  problemOf(await api.tagMember(id, []), 400);
  problemOf(await api.tagMember(999_999, [vip]), 404);
  problemOf(await crm.delete(`/members/999999/tags/${vip}`), 404);
});

story("a member is deleted with all that is his, and counts stay right", async () => {
  const autumn = await api.tag("中秋活動", "interaction");
  const people = await Promise.all([1, 2, 3].map((n) => api.add({ first_name: `p${n}` })));
  await Promise.all(people.map(({ id }) => api.tagMember(id, [autumn])));
  const [first, second] = people;
  assert.ok(first && second);
  await crm.database.query(
    `INSERT INTO messages (member_id, content, direction, message_type) VALUES ($1, 'x', 'incoming', 'text')`,
    [first.id],
  );
  const answers = await Promise.all([crm.delete(`/members/${first.id}`), crm.delete(`/members/${second.id}`)]);
  for (const answer of answers) {
    dataOf(answer, Type.Null());
    assert.is(answer.body["message"], "Member deleted successfully");
  }
  problemOf(await crm.delete(`/members/${first.id}`), 404);
  problemOf(await crm.get(`/members/${first.id}`), 404);
  assert.equal(
    [(await api.list("")).total, (await api.list(`tags=${autumn}`)).total, (await api.search("p1")).length],
    [1, 1, 0],
  );
  const { rows } = await crm.database.query(
    `SELECT (SELECT count(*)::int FROM messages) AS messages, member_count, trigger_count FROM tags WHERE id = $1`,
    [autumn],
  );
  assert.equal(rows, [{ messages: 0, member_count: 1, trigger_count: 1 }]);
});

story("notes are everybody's; a member's data are not customer service's", async () => {
  const { id } = await api.add(ming);
  const { token } = service;
  const notes = "常預訂商務房型，偏好高樓層...";
  dataOf(await crm.put(`/members/${id}/notes`, { notes }, { token }), Type.Null());
  assert.is(dataOf(await crm.get(`/members/${id}`, { token }), Detail).notes, notes);
  problemOf(await crm.put("/members/999999/notes", { notes }, { token }), 404);
  problemOf(await crm.put(`/members/${id}`, { notes }, { token }), 403);
  problemOf(await crm.post("/members", ming, { token }), 403);
  problemOf(await crm.delete(`/members/${id}`, { token }), 403);
  problemOf(await crm.get("/members", { token: null }), 401);
});

story("what waits for another longer than the database lets it is answered so, and the system goes on", async () => {
  const { id } = await api.add(ming);
  const { database } = crm;
  await database.query("BEGIN");
  await database.query("SELECT FROM members WHERE id = $1 FOR UPDATE", [id]);
  const answer = crm.put(`/members/${id}`, { notes: "waits" });
  const cancelled = async () =>
    (
      await database.query(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      )
    ).rowCount === 1;
  await eventually(cancelled, { what: "the request waits for the row, and is ended as at its limit" });
  assert.is(problemOf(await answer, 504).message, "The call took longer than its time limit");
  await database.query("ROLLBACK");
  assert.is(dataOf(await crm.put(`/members/${id}`, { notes: "served" }), Detail).notes, "served");
});

story.run();
