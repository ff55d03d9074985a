import { suite } from "uvu";
import * as assert from "uvu/assert";
import house from "../../../runtime.config.ts";
import { systemClock } from "../../../runtime/host/call.ts";
import { isFault, memberRecord, stayRecord } from "./records.ts";

const test = suite("records of the PMS");
const ctx = { clock: systemClock, config: house.readConfig({}) };

const guest = {
  id: "G1",
  id_number: "A123456789",
  first_name: "小明",
  last_name: "王",
  gender: "male",
  birthday: "1988-05-20",
  email: "ming@example.com",
  phone: "0912345678",
  updated_at: "2025-10-08T10:00:00.000Z",
};
const stay = {
  id: "S1",
  member_id: "G1",
  order_number: "ORD1",
  room_type: "海景套房",
  amount: 7800.5,
  check_in_date: "2025-10-01",
  check_out_date: "2025-10-03",
  nights: 2,
  updated_at: "2025-10-08T10:00:00.000Z",
};

test("what is right is taken as it is", () => {
  assert.equal(memberRecord(ctx, guest), guest);
  assert.equal(stayRecord(stay), stay);
});

const cleaned: [field: string, given: unknown, kept: unknown][] = [
  ["id", 42, "42"],
  ["first_name", "  小\u0000明\n", "小 明"],
  ["first_name", "x".repeat(51), null],
  ["last_name", 7, null],
  ["gender", "F", "female"],
  ["gender", "男", "male"],
  ["gender", "x", "other"],
  ["gender", undefined, null],
  ["birthday", "1988-02-30", null],
  ["birthday", "1988-05-20T00:00:00+08:00", "1988-05-20"],
  ["birthday", "2999-01-01", null],
  ["email", "nobody", null],
  ["email", "\ud800@example.com", null],
  ["phone", "by request", null],
  ["id_number", "?", null],
  ["updated_at", "2025-10-08T18:00:00+08:00", "2025-10-08T10:00:00.000Z"],
];
test("a field of a guest that cannot be right is left out, and the others are kept", () => {
  for (const [field, given, kept] of cleaned) {
    assert.equal(
      memberRecord(ctx, { ...guest, [field]: given }),
      { ...guest, [field]: kept },
      `${field} ${String(given)}`,
    );
  }
});

test("a stay's nights follow from its days, and its amount may be a text", () => {
  assert.equal(stayRecord({ ...stay, nights: null }), stay);
  assert.equal(stayRecord({ ...stay, nights: "2", amount: "7800.50" }), stay);
  assert.equal(stayRecord({ ...stay, nights: undefined, check_in_date: "soon" }), {
    ...stay,
    nights: null,
    check_in_date: null,
  });
});

const personal = "王小明 0912345678";
const guestFaults: [reason: RegExp, given: unknown][] = [
  [/^id is/, null],
  [/^id is/, [guest]],
  [/^id is/, { ...guest, id: personal }],
  [/^id is/, { ...guest, id: {} }],
  [/^updated_at is/, { ...guest, updated_at: personal }],
  [/nothing to know/, { id: "G1", updated_at: guest.updated_at, phone: "none", email: "" }],
];
const stayFaults: [reason: RegExp, given: unknown][] = [
  [/^id is/, "x"],
  [/^member_id is/, { ...stay, member_id: null }],
  [/^order_number is/, { ...stay, order_number: "x".repeat(51) }],
  [/^amount is/, { ...stay, amount: "much" }],
  [/^amount is/, { ...stay, amount: 1e9 }],
  [/^amount is/, { ...stay, amount: Number.NaN }],
  [/^check_out_date is/, { ...stay, check_out_date: "2025-09-01" }],
  [/^updated_at is/, { ...stay, updated_at: 5 }],
];
test("what cannot be taken says why, and nothing of what is in it", () => {
  for (const [reason, given] of guestFaults) check(memberRecord(ctx, given), reason);
  for (const [reason, given] of stayFaults) check(stayRecord(given), reason);
});
function check(found: object, reason: RegExp): void {
  assert.ok(isFault(found), JSON.stringify(found));
  if (!isFault(found)) return;
  assert.match(found.reason, reason);
  assert.not.match(JSON.stringify(found), /王|0912/);
}

test.run();
