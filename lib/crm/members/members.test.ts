import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openContext } from "../../../ops/harness/context.ts";
import { freshDatabase } from "../../../ops/harness/test.ts";
import { createMember, readMember, shownIdNumber, updateMember } from "./members.ts";

const test = suite("members");

const [a, b] = [randomBytes(32), randomBytes(32)];
const open = (url: string, ...keys: Buffer[]) => {
  const ENCRYPTION_KEY = keys.map((key) => key.toString("base64")).join(",");
  return openContext({ env: { DATABASE_URL: url, ENCRYPTION_KEY } });
};

test("while keys change, an id number is still one member's; without its key the member can be read", async () => {
  const url = await freshDatabase();
  const before = await open(url, a);
  const both = await open(url, b, a);
  const after = await open(url, b);
  try {
    const id = await createMember(before.ctx, { first_name: "小明", id_number: "A123456789" });
    const again = await createMember(both.ctx, { id_number: "a123456789" }).catch((error: unknown) => error);
    assert.match(String(again), "id_number is another member's");
    const row = await readMember(after.ctx, id);
    assert.is(shownIdNumber(after.ctx, row.id_number, true), "****");
    await updateMember(after.ctx, id, { first_name: "大明", id_number: "****" });
    const kept = await readMember(both.ctx, id);
    assert.equal([kept.first_name, shownIdNumber(both.ctx, kept.id_number, true)], ["大明", "A123456789"]);
  } finally {
    for (const context of [before, both, after]) await context.close();
  }
});

test("someone who is changed by two at once keeps both changes", async () => {
  const context = await openContext();
  const { ctx } = context;
  try {
    const id = await createMember(ctx, { first_name: "小明" });
    await Promise.all([updateMember(ctx, id, { email: "a@x.tw" }), updateMember(ctx, id, { phone: "0912345678" })]);
    const { email, phone, first_name: name } = await readMember(ctx, id);
    assert.equal([name, email, phone], ["小明", "a@x.tw", "0912345678"]);
  } finally {
    await context.close();
  }
});

test("a guest is born on a day of the hotel's, whatever zone scheduled mail has", async () => {
  const now = () => new Date("2026-02-28T16:30:00Z");
  const context = await openContext({ env: { SCHEDULE_TIMEZONE: "UTC" }, clock: { now } });
  const { ctx } = context;
  try {
    const id = await createMember(ctx, { first_name: "小明", birthday: "2026-03-01" });
    assert.is((await readMember(ctx, id)).birthday, "2026-03-01");
    const early = await createMember(ctx, { first_name: "小明", birthday: "2026-03-02" }).catch(({ code }) => code);
    assert.is(early, "invalid_request");
  } finally {
    await context.close();
  }
});

test.run();
