import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clip, encodedUrl, fitsCodePoints, fitsGraphemes } from "./text.ts";

const test = suite("counting as LINE does");
const family = "👨‍👩‍👧‍👦";

test("what people see as one character is one, of whatever it is made", () => {
  assert.is(family.length, 11);
  for (const character of ["a", "字", "𠮷", "🍎", family, "e\u0301", "\r\n"]) {
    assert.ok(fitsGraphemes(character.repeat(20), 20), character);
    assert.not(fitsGraphemes(character.repeat(21), 20), character);
  }
  assert.ok(fitsGraphemes("", 0));
  assert.not(fitsGraphemes("a", 0));
});

test("a database counts code points", () => {
  assert.ok(fitsCodePoints("🍎".repeat(100), 100));
  assert.not(fitsCodePoints("🍎".repeat(101), 100));
  assert.not(fitsCodePoints("a".repeat(201), 100));
});

test("what is cut off leaves whole characters", () => {
  assert.is(clip("字".repeat(400), 400), "字".repeat(400));
  assert.is(clip(`${"a".repeat(8)}${family}`, 10), "a".repeat(8));
  assert.ok(clip(family, 4).isWellFormed());
  assert.ok(clip("🍎".repeat(300), 401).isWellFormed());
});

test("an address is encoded where it has to be", () => {
  assert.is(encodedUrl("https://hotel.example"), "https://hotel.example");
  assert.is(encodedUrl("https://hotel.example/月?a=日"), "https://hotel.example/%E6%9C%88?a=%E6%97%A5");
});

test.run();
