import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../../ops/harness/test.ts";
import { openSecrets } from "../../resources/secrets.ts";
import {
  hashIdNumber,
  idNumberHashes,
  isIdNumber,
  maskIdNumber,
  normalIdNumber,
  openIdNumber,
  sealIdNumber,
} from "./id-number.ts";

const test = suite("id numbers");

const [a, b] = [randomBytes(32), randomBytes(32)];
const withKeys = async (...keys: Buffer[]) => {
  const secrets = await openSecrets({ keys, file: join(await temporaryFolder(), "encryption.key") });
  return { secrets };
};

test("however it is typed, it is the same number", async () => {
  const ctx = await withKeys(a);
  for (const typed of ["a123456789", " A 123 456 789 ", "A123456789"]) {
    assert.is(normalIdNumber(typed), "A123456789", typed);
    assert.is(hashIdNumber(ctx, typed), hashIdNumber(ctx, "A123456789"), typed);
  }
  assert.is.not(hashIdNumber(ctx, "A123456780"), hashIdNumber(ctx, "A123456789"));
});

test("it is kept sealed, and opens", async () => {
  const ctx = await withKeys(a);
  const { sealed, hash } = sealIdNumber(ctx, "a123456789");
  assert.not.match(sealed + hash, "123456789");
  assert.is(openIdNumber(ctx, sealed), "A123456789");
  assert.match(hash, /^[0-9a-f]{64}$/);
});

test("while keys change it is found under either", async () => {
  const before = await withKeys(a);
  const both = await withKeys(b, a);
  assert.ok(idNumberHashes(both, "A123456789").includes(hashIdNumber(before, "A123456789")));
  assert.is(idNumberHashes(both, "A123456789")[0], hashIdNumber(both, "A123456789"));
});

test("cards and passports of many countries are taken, other texts are not", () => {
  const taken = ["A123456789", "AB12345678", "300123456", "C01X00T47", "X1234567(8)", "PA-1234567", "1234"];
  for (const number of taken) assert.ok(isIdNumber(number), number);
  const refused = ["", "A", "王小明一二三", "A123\u0000456", "A".repeat(21), "--------", "A12;DROP TABLE", "(A1234567"];
  for (const text of refused) assert.not(isIdNumber(normalIdNumber(text)), text);
});

test("masked, it shows little", () => {
  assert.is(maskIdNumber("A123456789"), "A****789");
  assert.is(maskIdNumber("1234567"), "****");
});

test.run();
