import { domainToASCII } from "node:url";
import * as fc from "fast-check";
import addressparser from "nodemailer/lib/addressparser";
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

/** Texts that are nearly addresses, or more than one: made of what parsers stumble over. */
const pieces = fc.constantFrom(
  ..."ann bob@x @ a.example b.example <ann@a.example> <eve@b.example> < > \" \\ , ; : ( ) [ ] ' ` | % ! . .. - _ é 王 ß ＠ ．".split(
    " ",
  ),
  ..." |\t|\r\n|\0|\u0085|\u2028|\u00a0|\u00ad|\u200b|\u202e|\ud83d|xn--|xn--mnchen-3ya|=?utf-8?q?eve=40b.example?=|127.1".split(
    "|",
  ),
);
const texts = fc.oneof(
  fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join("")),
  fc.emailAddress(),
  fc.tuple(fc.string({ unit: "grapheme", maxLength: 12 }), fc.emailAddress()).map(([name, it]) => `${name} <${it}>`),
  fc.tuple(fc.emailAddress(), pieces, fc.emailAddress()).map((parts) => parts.join("")),
);
const runs = { seed: 20_260_120, numRuns: 3000 };
/** The domain as it is routed; what nodemailer reads has it as it was written. */
const routed = (address: string) => domainToASCII(address.slice(address.lastIndexOf("@") + 1));

test("whatever comes in, what comes out is one plain address and its domain, or a sentence", () => {
  let taken = 0;
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseAddress(text);
      if (typeof parsed === "string") return void assert.match(parsed, /^(?:must|has|is) /);
      taken++;
      const { address, domain, name } = parsed;
      assert.match(address, /^[^\s@<>()[\]\\,;:"]+@[a-z\d.-]+$/);
      assert.not(hasControls(address + (name ?? "")));
      assert.is(address.slice(address.indexOf("@") + 1), domain);
      assert.equal(parseAddress(address), { address, domain, name: undefined });
      if (name === undefined || name.length > 100) return;
      const quoted = `"${name.replaceAll(/["\\]/g, "\\$&")}" <${address}>`;
      assert.equal(parseAddress(quoted), parsed, "with its name it reads as the same");
      const read = addressparser(quoted, { flatten: true }).map((one) => one.address);
      assert.equal(read, [address], "also to nodemailer");
    }),
    runs,
  );
  assert.ok(taken > runs.numRuns / 10, `${taken} were taken`);
});

test("nodemailer reads what was parsed as that one address, and finds no other in what was given", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseAddress(text);
      if (typeof parsed === "string") return;
      assert.equal(addressparser(parsed.address, { flatten: true }), [{ address: parsed.address, name: "" }]);
      // An unclosed comment swallows what follows it, and is part of a name here: only the parsed value is sent.
      if (text.includes("(")) return;
      const [one, ...others] = addressparser(text, { flatten: true });
      if (one?.address && others.length === 0) assert.is(routed(one.address), parsed.domain, one.address);
    }),
    runs,
  );
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
