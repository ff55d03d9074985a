import { suite } from "uvu";
import * as assert from "uvu/assert";
import { wordsOf } from "./search.ts";

const test = suite("search of members");

const needles = (search: string) => wordsOf(search).map(({ needle }) => needle);

test("a text is cut into its words, folded", () => {
  assert.equal(needles("  王小明 "), ["王小明"]);
  assert.equal(needles("小明　王"), ["小明", "王"]);
  assert.equal(needles("ＪＯＨＮ Smith"), ["john", "smith"]);
  assert.equal(needles("   "), []);
});

test("a phone number is its digits, however it is written", () => {
  for (const written of ["0912-345-678", "0912 345 678", "(0912)345678", "+886 912-345-678", "+886-0912345678"]) {
    assert.equal(needles(written), ["912345678"], written);
  }
  assert.equal(needles("0912"), ["0912"]);
  assert.equal(needles("345-678"), ["345678"]);
  assert.equal(needles("02-2345-6789"), ["223456789"]);
});

test("each word is found by the pieces that the index has", () => {
  assert.equal(wordsOf("王"), [{ needle: "王", grams: ["王"], isExact: true }]);
  assert.equal(wordsOf("小明"), [{ needle: "小明", grams: ["小明"], isExact: true }]);
  assert.equal(wordsOf("王小明"), [{ needle: "王小明", grams: ["王小", "小明"], isExact: false }]);
  assert.equal(wordsOf("ming"), [{ needle: "ming", grams: ["min", "ing"], isExact: false }]);
  assert.equal(wordsOf("min"), [{ needle: "min", grams: ["min"], isExact: true }]);
  assert.equal(wordsOf("VIP王"), [{ needle: "vip王", grams: ["p王", "vip"], isExact: false }]);
  assert.equal(wordsOf("Li"), [{ needle: "\nli", grams: ["\nli"], isExact: true }]);
  assert.equal(wordsOf("𠮷野"), [{ needle: "𠮷野", grams: ["𠮷野"], isExact: true }]);
});

test("a hostile text has an end", () => {
  assert.is(wordsOf("a ".repeat(50)).length, 8);
});

test.run();
