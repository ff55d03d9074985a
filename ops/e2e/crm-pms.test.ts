/** Guests and stays of the hotel's PMS become members and consumption records. */
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataOf, Exactly, PageOf, problemOf } from "./crm.ts";
import { at, counts, guest, isOver, startHotel, stay, text, type Hotel } from "./crm-pms.fixture.ts";

const story = suite("PMS");

let hotel: Hotel;
story.before(async () => void (hotel = await startHotel()));
story.before.each(() => hotel.empty());
story.after(() => hotel.close());

const Review = Exactly({
  id: Type.Integer(),
  reason: Type.String(),
  external_id: Type.String(),
  first_name: text,
  last_name: text,
  gender: text,
  birthday: text,
  email: text,
  phone: text,
  has_id_number: Type.Boolean(),
  waiting_stays: Type.Integer(),
  candidates: Type.Array(
    Exactly({
      id: Type.Integer(),
      line_display_name: text,
      first_name: text,
      last_name: text,
      email: text,
      phone: text,
    }),
  ),
  created_at: Type.String(),
});

story("guests become members, and their stays consumption records", async () => {
  hotel.pms.put(
    "members",
    guest("G1", { id_number: "a1234 56789", phone: "0912-345-678" }),
    guest("G2", { gender: "女" }),
  );
  const done = await hotel.sync("members");
  assert.equal(counts(done), ["completed", 2, 0, 0]);
  assert.match(done.started_at ?? "", /^\d{4}-.*Z$/);
  assert.ok((done.completed_at ?? "") >= (done.started_at ?? ""));
  const [first, second] = await hotel.guests();
  const shown = { first_name: "小明", source: "system" };
  assert.equal(first, {
    ...shown,
    id: first?.["id"],
    external_id: "G1",
    email: "g1@example.com",
    phone: "0912-345-678",
  });
  assert.equal(second, { ...shown, id: second?.["id"], external_id: "G2", email: "g2@example.com", phone: null });
  const [row] = await hotel.rowsOf("SELECT birthday::text, gender, id_number FROM members WHERE external_id = 'G1'");
  assert.equal([row?.["birthday"], row?.["gender"]], ["1988-05-20", "male"]);
  assert.match(String(row?.["id_number"]), /^v1\./);

  hotel.pms.put("consumption-records", stay("S1", "G1"), stay("S2", "G1"), stay("S3", "G2", { amount: "4200.50" }));
  assert.equal(counts(await hotel.sync("consumption_records")), ["completed", 3, 0, 0]);
  assert.equal((await hotel.stays()).at(-1), {
    external_id: "S3",
    member_id: second?.["id"],
    order_number: "ORD-S3",
    amount: 4200.5,
    nights: 2,
    source: "pms",
  });
});

story("a guest is the member with his id number, else the only one with his phone", async () => {
  hotel.pms.put("members", guest("G1", { id_number: "A123456789", phone: "0911111111" }));
  await hotel.sync("members");
  const byPhone = await hotel.member({ line_uid: "U1", phone: "+886 922-222-222" });
  const other = await hotel.member({ phone: "0933333333", id_number: "sealed", id_number_hash: "0".repeat(64) });
  hotel.pms.put(
    "members",
    guest("G1-again", { id_number: "Ａ123 456 789", phone: "0944444444", first_name: "大明", updated_at: at(1) }),
    guest("G2", { phone: "0922222222", updated_at: at(1) }),
    guest("G3", { phone: "0933333333", id_number: "B123456780", updated_at: at(1) }),
  );
  // The first is asked for again, too: what has changed just before may have come late.
  assert.equal(counts(await hotel.sync("members")), ["completed", 4, 0, 0]);
  const members = await hotel.guests();
  const named = (id: string) => members.find(({ external_id }) => external_id === id);
  assert.is(members.length, 4);
  assert.equal([named("G1")?.["first_name"], named("G1")?.["phone"]], ["大明", "0944444444"]);
  assert.equal([named("G2")?.["id"], named("G2")?.["source"]], [byPhone, "line"]);
  assert.ok(named("G3"), "another id number is another person, whose phone it is as well");
  assert.equal(members.find(({ id }) => id === other)?.["external_id"], null);
  hotel.pms.put("consumption-records", stay("S1", "G1"), stay("S2", "G1-again"));
  await hotel.sync("consumption_records");
  assert.is(new Set((await hotel.stays()).map(({ member_id }) => member_id)).size, 1, "both are one person's");
});

story("whose phone several have is for a person to decide, and his stays wait for that", async () => {
  const [wife, husband] = [
    await hotel.member({ phone: "0912345678", first_name: "怡君" }),
    await hotel.member({ phone: "+886912345678" }),
  ];
  hotel.pms.put(
    "members",
    guest("G1", { phone: "0912-345678" }),
    guest("G2", { phone: "0912345678", first_name: "美玲" }),
  );
  hotel.pms.put("consumption-records", stay("S1", "G1"), stay("S2", "G2"), stay("S3", "G1"));
  assert.equal(counts(await hotel.sync("members")), ["completed", 0, 0, 2]);
  assert.equal(counts(await hotel.sync("consumption_records")), ["completed", 0, 0, 3]);
  assert.equal(await hotel.stays(), []);

  const { token } = await hotel.crm.person("marketing");
  const list = async () => dataOf(await hotel.crm.get("/pms/reviews", { token }), PageOf(Review));
  const { items, total } = await list();
  const [first, second] = items;
  assert.equal([total, first?.external_id, first?.reason, first?.waiting_stays], [2, "G1", "phone_of_several", 2]);
  assert.equal(
    first?.candidates.map(({ id }) => id),
    [wife, husband],
  );
  const decide = (id: number | undefined, body: object, call = {}) => hotel.crm.post(`/pms/reviews/${id}`, body, call);
  problemOf(await decide(first?.id, { member_id: wife }, { token }), 403);
  for (const body of [{}, { member_id: 0 }, { create: false }, { member_id: wife, create: true }]) {
    problemOf(await decide(first?.id, body), 400);
  }
  problemOf(await decide(first?.id, { member_id: 999_999_999 }), 404);
  problemOf(await decide(999_999_999, { create: true }), 404);

  const Decided = Exactly({ id: Type.Integer(), member_id: Type.Integer() });
  assert.is(dataOf(await decide(first?.id, { member_id: wife }), Decided).member_id, wife);
  const { member_id: created } = dataOf(await decide(second?.id, { create: true }), Decided);
  assert.not.ok([wife, husband].includes(created));
  problemOf(await decide(first?.id, { create: true }), 409);
  assert.is((await list()).total, 0);
  const owners = (await hotel.stays()).map(({ external_id, member_id }) => [external_id, member_id]);
  assert.equal(owners, [
    ["S1", wife],
    ["S3", wife],
    ["S2", created],
  ]);
  hotel.pms.put("members", guest("G1", { phone: "0912-345678", first_name: "佳穎", updated_at: at(9) }));
  assert.equal(counts(await hotel.sync("members")).slice(0, 2), ["completed", 2]);
  assert.is((await hotel.guests()).find(({ id }) => id === wife)?.["first_name"], "佳穎", "it stays decided");
});

story("only what has changed is asked for, and what was changed here meanwhile stays", async () => {
  hotel.pms.put("members", guest("G1", { updated_at: at(30) }));
  await hotel.sync("members");
  await hotel.crm.database.query("UPDATE members SET email = 'new@example.com', notes = 'VIP'");
  await hotel.sync("members");
  assert.equal(
    hotel.pms.requests.map(({ updatedSince }) => updatedSince),
    [null, at(25)],
  );
  assert.is((await hotel.guests())[0]?.["email"], "new@example.com");
  hotel.pms.put("members", guest("G1", { updated_at: at(40), email: null, first_name: "Ming" }));
  await hotel.sync("members");
  const [now] = await hotel.guests();
  assert.equal(
    [now?.["first_name"], now?.["email"]],
    ["Ming", "new@example.com"],
    "what it does not say, it does not empty",
  );
  await hotel.sync("members", true);
  assert.is(hotel.pms.requests.at(-1)?.updatedSince, null);
  assert.is((await hotel.guests()).length, 1);
});

story("one runs at a time", async () => {
  const release = hotel.pms.hold();
  const id = await hotel.begin("members");
  const answers = await Promise.all([
    hotel.crm.post("/pms/sync", { sync_type: "members" }),
    hotel.crm.post("/pms/sync", { sync_type: "consumption_records", force: true }),
  ]);
  release();
  for (const answer of answers) problemOf(answer, 409);
  assert.is((await hotel.until(id, isOver)).status, "completed");
  assert.equal(counts(await hotel.sync("members")), ["completed", 0, 0, 0]);
});

story("what is wrong with the request is said", async () => {
  for (const body of [{}, { sync_type: "rooms" }, { sync_type: "members", force: "yes" }]) {
    problemOf(await hotel.crm.post("/pms/sync", body), 400);
  }
  for (const id of ["abc123", "00000000-0000-4000-8000-000000000000"]) {
    problemOf(await hotel.crm.get(`/pms/sync-status/${id}`), 404);
  }
  const { token } = await hotel.crm.person("customer_service");
  problemOf(await hotel.crm.post("/pms/sync", { sync_type: "members" }, { token }), 403);
});

story.run();
