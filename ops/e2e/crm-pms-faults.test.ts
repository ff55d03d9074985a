/** What comes over from the PMS, whatever happens on the way. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshVhost } from "../harness/test.ts";
import { at, counts, guest, isOver, long, startHotel, stay, type Hotel } from "./crm-pms.fixture.ts";

const story = suite("faults of the PMS");

let hotel: Hotel;
story.before(async () => void (hotel = await startHotel({ RABBITMQ_URL: await freshVhost() })));
story.before.each(() => hotel.empty());
story.after(() => hotel.close());

story("records that cannot be taken are counted and told of, and the others are taken", async () => {
  await hotel.member({ id_number: "sealed", first_name: "manual" });
  const [{ id: owner } = {}] = await hotel.guests();
  await hotel.crm.database.query(
    `INSERT INTO consumption_records (member_id, order_number, amount, source) VALUES ($1, 'BY-HAND', 1, 'manual')`,
    [owner],
  );
  hotel.pms.put("members", guest("G1"), guest("王小明 0912345678"), { id: "G2", updated_at: at(0), phone: "call me" });
  hotel.pms.put(
    "consumption-records",
    stay("S1", "G1"),
    stay("S2", "G1", { amount: "a lot" }),
    stay("S3", "G1", { order_number: "ORD-S1" }),
    stay("S4", "G1", { order_number: "BY-HAND" }),
  );
  const members = await hotel.sync("members");
  assert.equal(counts(members), ["completed", 1, 2, 0]);
  assert.equal(members.failures, [
    { record: null, reason: "id is missing or not an id" },
    { record: "G2", reason: "there is nothing to know the guest by" },
  ]);
  const records = await hotel.sync("consumption_records");
  assert.equal(counts(records), ["completed", 2, 2, 0]);
  assert.equal(records.failures, [
    { record: "S2", reason: "amount is missing or not an amount" },
    { record: "S3", reason: "order_number is another stay's" },
  ]);
  assert.equal(
    (await hotel.stays()).map(({ order_number, source }) => [order_number, source]),
    [
      ["BY-HAND", "pms"],
      ["ORD-S1", "pms"],
    ],
  );

  // One that the database alone refuses: two rows would be one.
  await hotel.crm.database.query(
    `INSERT INTO consumption_records (member_id, order_number, amount, source) VALUES ($1, 'BY-HAND-2', 1, 'manual')`,
    [owner],
  );
  hotel.pms.put(
    "consumption-records",
    stay("S1", "G1", { order_number: "BY-HAND-2", updated_at: at(1) }),
    stay("S5", "G1", { updated_at: at(1) }),
  );
  const again = await hotel.sync("consumption_records");
  assert.equal(again.failures.at(0), { record: "S1", reason: "it could not be stored" });
  assert.ok((await hotel.stays()).some(({ external_id }) => external_id === "S5"));
});

story("a PMS that is away for a while is asked again; one that refuses is not", async () => {
  hotel.pms.put("members", guest("G1"));
  hotel.pms.faults.next("members", { kind: "status", status: 503 }, { kind: "reset", when: "read" });
  const id = await hotel.begin("members");
  const tries: [count: number, message: RegExp][] = [
    [1, /http_503/],
    [2, /ECONNRESET/],
  ];
  for (const [count, message] of tries) {
    const { error_message } = await hotel.until(
      id,
      (status) => hotel.pages("members") === count && message.test(status.error_message ?? ""),
    );
    assert.match(error_message ?? "", message);
    await hotel.again(id);
  }
  assert.equal(counts(await hotel.until(id, isOver)), ["completed", 1, 0, 0]);
  assert.is((await hotel.statusOf(id)).error_message, null);

  hotel.pms.faults.next("members", { kind: "status", status: 403, message: "the secret reason" });
  const refused = await hotel.sync("members");
  assert.equal([refused.status, refused.error_message], ["failed", "The PMS did not answer as it should: http_403"]);
  hotel.pms.pageSize = 1;
  hotel.pms.put("members", guest("G2"));
  for (let n = 0; n < 2; n++) hotel.pms.say(JSON.stringify({ items: [], next_cursor: "again" }));
  assert.match((await hotel.sync("members")).error_message ?? "", "repeated_cursor");
  assert.is((await hotel.sync("members")).status, "completed", "the next one begins anew");
});

story("one that loses its process goes on where it was", async () => {
  hotel.pms.pageSize = 2;
  for (let n = 1; n <= 9; n++) hotel.pms.put("members", guest(`G${n}`));
  let release = hotel.pms.hold();
  const id = await hotel.begin("members");
  await eventually(() => hotel.pages("members") === 1, { what: "it has asked", ...long });
  release();
  release = hotel.pms.hold();
  await eventually(() => hotel.pages("members") >= 2, { what: "it goes on", ...long });
  const before = await hotel.until(id, ({ synced_count }) => synced_count > 0);
  await hotel.crm.system.kill();
  release();
  const asked = hotel.pms.requests.length;
  await hotel.crm.system.start();
  await hotel.again(id);
  assert.equal(counts(await hotel.until(id, isOver)), ["completed", 9, 0, 0]);
  assert.is((await hotel.guests()).length, 9);
  assert.is.not(hotel.pms.requests[asked]?.cursor, null, `it began anew after ${before.synced_count}`);
});

story("guests of any script come over whole, page after page", async () => {
  const name = "𠮷野家豪志明淑芬".repeat(5);
  for (let n = 0; n < 450; n++) hotel.pms.put("members", guest(`G${n}`, { first_name: name, last_name: name }));
  assert.equal(counts(await hotel.sync("members")), ["completed", 450, 0, 0]);
  assert.equal(await hotel.rowsOf("SELECT DISTINCT first_name, last_name FROM members"), [
    { first_name: name, last_name: name },
  ]);
  assert.is(hotel.pages("members"), 5);
});

story("nothing of a guest is in the log, and his id number nowhere", async () => {
  hotel.pms.put("members", guest("G1", { id_number: "A123456789", phone: "0912345678", email: "told@example.com" }));
  await hotel.member({ phone: "0912345678" });
  await hotel.member({ phone: "0912345678" });
  assert.equal(counts(await hotel.sync("members")), ["completed", 0, 0, 1]);
  const { stdout, stderr } = await hotel.crm.system.output();
  assert.not.match(stdout + stderr, /A123456789|0912345678|told@|小明|the secret reason/);
  assert.not.match(stdout + stderr, hotel.pms.key);
  const [row] = await hotel.rowsOf("SELECT record FROM pms_members");
  assert.match(String(row?.["record"]), /^v1\.[\w.-]+$/);
});

story.run();
