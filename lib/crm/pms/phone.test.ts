import { test } from "uvu";
import * as assert from "uvu/assert";
import { digitsOf, e164 } from "./phone.ts";

const same = [
  "0912345678",
  "0912-345-678",
  "+886 912 345 678",
  "886912345678",
  "+886 (0)912345678",
  "０９１２３４５６７８",
];
test("one number is one number, however it is written", () => {
  for (const text of [...same, "002886912345678", "912345678"]) {
    assert.is(e164(text), "+886912345678", text);
    const digits = text.normalize("NFKC").replace(/\D/g, "");
    assert.ok(digitsOf("+886912345678").includes(digits), `${digits} is looked for`);
  }
  assert.is(e164("+81 90-1234-5678"), "+819012345678");
  assert.is(e164("(02) 2345-6789"), "+886223456789");
});

test("what is no whole number of one line is compared with nothing", () => {
  const wrong = ["", "none", "12", "09123456", "0912345678 / 0987654321", "(02) 2345 6789 #123", "+999123456789"];
  for (const text of wrong) assert.is(e164(text), undefined, text);
});

test.run();
