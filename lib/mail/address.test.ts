import { test } from "uvu";
import * as assert from "uvu/assert";
import { hasControls, maskAddress, parseAddress } from "./address.ts";

const taken: [text: string, address: string, name?: string][] = [
  ["ann@example.com", "ann@example.com"],
  ["  ann@example.com ", "ann@example.com"],
  ["Ann.Lee+tag@Example.COM", "Ann.Lee+tag@example.com"],
  ["!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"],
  ["a@b.co", "a@b.co"],
  ["ann@sub.my-host.example", "ann@sub.my-host.example"],
  ["ann@münchen.example", "ann@xn--mnchen-3ya.example"],
  ["ann@例え.jp", "ann@xn--r8jz45g.jp"],
  ["<ann@example.com>", "ann@example.com"],
  ["Ann <ann@example.com>", "ann@example.com", "Ann"],
  ["Ann< ann@example.com >", "ann@example.com", "Ann"],
  ["Lee, Ann <ann@example.com>", "ann@example.com", "Lee, Ann"],
  ['"Lee, \\"Ann\\" <x>" <ann@example.com>', "ann@example.com", 'Lee, "Ann" <x>'],
  ["王小明 <wang@example.com>", "wang@example.com", "王小明"],
  ["boss@corp.example <ann@example.com>", "ann@example.com", "boss@corp.example"],
  [`${"a".repeat(64)}@example.com`, `${"a".repeat(64)}@example.com`],
];
for (const [text, address, name] of taken) {
  test(`taken: ${text.slice(0, 70)}`, () => {
    const domain = address.slice(address.lastIndexOf("@") + 1);
    assert.equal(parseAddress(text), { address, domain, name });
  });
}

const refused: [text: string, why: RegExp][] = [
  ["", /must be an e-mail address/],
  ["ann", /must be an e-mail address/],
  ["<>", /must be an e-mail address/],
  ["Ann <ann>", /must be an e-mail address/],
  ["@example.com", /characters before the @/],
  [".ann@example.com", /characters before the @/],
  ["ann.@example.com", /characters before the @/],
  ["a..b@example.com", /characters before the @/],
  ["ann lee@example.com", /characters before the @/],
  ['"ann lee"@example.com', /characters before the @/],
  // One library sends the second to b.example, another to a.example: neither gets the chance.
  ["a@a.example@b.example", /characters before the @/],
  ['"x@a.example"@b.example', /characters before the @/],
  ["x@a.example,y@b.example", /characters before the @/],
  ["x@a.example <y@b.example> <z@c.example>", /characters before the @/],
  ["x@a.example (comment)", /domain name/],
  ["änn@example.com", /characters before the @/],
  ["ann@", /domain name/],
  ["ann@localhost", /domain name/],
  ["ann@example.com.", /domain name/],
  ["ann@.example.com", /domain name/],
  ["ann@exa..mple.com", /domain name/],
  ["ann@-example.com", /domain name/],
  ["ann@example-.com", /domain name/],
  ["ann@exa_mple.com", /domain name/],
  ["ann@[127.0.0.1]", /domain name/],
  ["ann@127.0.0.1", /domain name/],
  ["ann@127.1", /domain name/],
  ["ann@0x7f.1", /domain name/],
  ["ann@１２７.0.0.1", /domain name/],
  ["ann@example.com/x", /domain name/],
  ["ann@example.com:25", /domain name/],
  ["ann@example%2ecom.example", /domain name/],
  ["ann@xn--.example", /domain name/],
  [`ann@${"a".repeat(64)}.example`, /domain name/],
  [`${"a".repeat(65)}@example.com`, /more than 64 characters/],
  [`a@${"a.".repeat(126)}aa`, /longer than 254|domain name/],
  [`${"n".repeat(201)} <ann@example.com>`, /name of more than 200/],
  ["half \ud83d <ann@example.com>", /not valid Unicode/],
  ["ann@example.com\r\nBcc: eve@example.com", /control characters/],
  ["Ann\n <ann@example.com>", /control characters/],
  ["ann\0@example.com", /control characters/],
  ["Ann\u2028 <ann@example.com>", /control characters/],
  ["Ann\u0085 <ann@example.com>", /control characters/],
];
for (const [text, why] of refused) {
  test(`refused: ${JSON.stringify(text).slice(0, 60)}`, () => {
    const result = parseAddress(text);
    assert.type(result, "string");
    assert.match(String(result), why);
  });
}

test("what was parsed parses to itself", () => {
  for (const [, address] of taken) {
    const again = parseAddress(address);
    assert.is(typeof again === "string" ? again : again.address, address);
  }
});

test("an address of the longest length that the API takes is read in no time, whatever it is made of", () => {
  const started = performance.now();
  for (const piece of [" ", "a", "a.", '"', '\\"', "<", "a@", "\u0061\u0301"]) {
    const text = piece.repeat(500).slice(0, 500);
    for (const whole of [text, `${text}>`, `"${text}>`, `${text}@${text}`, `${text}<a@b.example>`]) parseAddress(whole);
  }
  assert.ok(performance.now() - started < 500);
});

test("controls are found, spaces and letters of all scripts are none", () => {
  for (const text of ["\0", "a\tb", "a\rb", "a\nb", "\u007f", "\u009f", "\u2029"]) assert.ok(hasControls(text));
  for (const text of ["", "a b", "é", "王", "😀", "\u00a0"]) assert.not(hasControls(text));
});

test("in logs an address shows no more than two letters before the @", () => {
  assert.is(maskAddress("ann@example.com"), "an***@example.com");
  assert.is(maskAddress("a@example.com"), "a***@example.com");
  assert.is(maskAddress("@example.com"), "***@example.com");
  assert.is(maskAddress("no address at all"), "***");
});

test.run();
