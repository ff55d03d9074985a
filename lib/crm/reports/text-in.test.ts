import { test } from "uvu";
import * as assert from "uvu/assert";
import { cellText, cut, pageText, plain } from "./text-in.ts";

const cells: [story: string, text: string, cell: string][] = [
  ["a name stays as it is", "中秋送禮 KOL", "中秋送禮 KOL"],
  ["a formula becomes a text", '=HYPERLINK("http://evil.example")', '\'=HYPERLINK("http://evil.example")'],
  ["so does a plus", "+886 2 1234", "'+886 2 1234"],
  ["a minus", "-2+3", "'-2+3"],
  ["an at sign", "@SUM(A1)", "'@SUM(A1)"],
  ["a full-width equals sign", "＝1+1", "'＝1+1"],
  ["a formula behind spaces", "  =1", "'  =1"],
  ["a tab in front", "\t=1", "'\t=1"],
  ["a carriage return in front", "\r=1", "'\r=1"],
  ["a formula behind a control character", "\u0000=1", "'=1"],
  ["a minus inside is none", "7-29 天", "7-29 天"],
  ["control characters go, a line break stays", "a\u0000b\u001b\nc\u009f", "ab\nc"],
  ["writing is not turned round", "gpj\u202eexe", "gpjexe"],
  ["half a character becomes a mark", "a\ud83d", "a\ufffd"],
];
for (const [story, text, cell] of cells) test(`a cell: ${story}`, () => assert.is(cellText(text), cell));

test("a cell holds 32,767 characters, and no half of one", () => {
  assert.is(cellText("字".repeat(40_000)).length, 32_767);
  assert.is(cellText(`=${"1".repeat(40_000)}`).length, 32_767);
  assert.is(cut("ab🎉cd", 4), "ab…");
  assert.ok(cellText("🎉".repeat(40_000)).isWellFormed());
});

test("a page shows one paragraph, and a square for an emoji", () => {
  assert.is(pageText(" 🎉 國慶\n連假 👨‍👩‍👧 ", 40), "□ 國慶 連假 □");
  assert.is(pageText("=1", 40), "=1");
  assert.is(plain("好\ufffe"), "好");
});

test.run();
