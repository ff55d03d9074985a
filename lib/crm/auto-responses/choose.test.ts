import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chooseRule, isWithin, type Rule } from "./choose.ts";
import { fold } from "./fold.ts";

const test = suite("Which rule answers");

const rule = (id: number, given: Partial<Rule>): Rule => ({
  id,
  trigger: "keyword",
  content: `answer ${id}`,
  templateId: null,
  from: null,
  until: null,
  keywords: [],
  ...given,
});
const keywords = (id: number, ...words: string[]) =>
  rule(id, { keywords: words.map((word, index) => ({ id: id * 10 + index, folded: fold(word) })) });
const window = (id: number, from: number, until: number) =>
  rule(id, { trigger: "time", from: from * 3600, until: until * 3600 });
const answered = (rules: Rule[], text: string | null, hour = 12) => {
  const choice = chooseRule(rules, { kind: "message", text, second: hour * 3600 });
  return choice && [choice.rule.id, choice.keywordId];
};

test("a keyword within the text answers", () => {
  assert.equal(answered([keywords(1, "優惠", "折扣")], "請問有折扣嗎?"), [1, 11]);
  assert.is(answered([keywords(1, "優惠")], "早安"), undefined);
});

test("the whole text goes before the longest within it, and that before the lowest id", () => {
  const rules = [keywords(1, "平日優惠方案"), keywords(2, "優惠"), keywords(3, "優惠方案"), keywords(4, "優惠方案")];
  assert.equal(answered(rules, "優惠"), [2, 20]);
  assert.equal(answered(rules, "有優惠方案嗎"), [3, 30]);
  assert.equal(answered(rules.toReversed(), "有優惠方案嗎"), [3, 30]);
  assert.equal(answered(rules, "平日優惠方案呢"), [1, 10]);
});

test("an exact keyword wins over a longer one that is within the text as well", () => {
  assert.equal(answered([keywords(1, "wi-fi 密碼"), keywords(2, "wi-fi")], "WI-FI"), [2, 20]);
});

test("case, width and gaps do not matter", () => {
  assert.equal(answered([keywords(1, "WiFi")], "ＷＩＦＩ密碼是?"), [1, 10]);
  assert.equal(answered([keywords(1, "ﾁｪｯｸｲﾝ")], "チェックイン"), [1, 10]);
  assert.equal(answered([keywords(1, "check in")], " Check\u3000 IN "), [1, 10]);
  assert.equal(answered([keywords(1, "①")], "1"), [1, 10]);
});

test("length is counted in characters, not in halves of them", () => {
  assert.equal(answered([keywords(1, "🏨🏨"), keywords(2, "abc")], "🏨🏨abc"), [2, 20]);
});

test("a keyword goes before a time; without one, the lowest time rule answers, also what is no text", () => {
  const rules = [window(1, 0, 0), window(2, 0, 0), keywords(3, "優惠")];
  assert.equal(answered(rules, "優惠"), [3, 30]);
  assert.equal(answered(rules, "早安"), [1, null]);
  assert.equal(answered(rules, null), [1, null]);
  assert.is(answered([keywords(3, "圖片")], null), undefined);
});

test("a window may cross midnight; its end is not within it", () => {
  const within = (from: number, until: number, at: number) => isWithin({ from, until }, at);
  assert.equal(
    [8, 9, 17, 18].map((at) => within(9, 18, at)),
    [false, true, true, false],
  );
  assert.equal(
    [21, 22, 0, 7, 8].map((at) => within(22, 8, at)),
    [false, true, true, true, false],
  );
  assert.ok(within(5, 5, 0));
  assert.not(isWithin({ from: null, until: 5 }, 1));
});

test("a follow is welcomed by the lowest welcome rule alone", () => {
  const welcome = (id: number) => rule(id, { trigger: "welcome" });
  assert.is(chooseRule([welcome(5), welcome(4), window(1, 0, 0)], { kind: "follow" })?.rule.id, 4);
  assert.is(chooseRule([window(1, 0, 0)], { kind: "follow" }), undefined);
  assert.is(answered([welcome(1)], "hello"), undefined);
});

const letters = fc.constantFrom(..."a A ａ Ａ b ﾁ チ ｸﾞ グ ① 1 優 惠 🏨 ß ẞ İ \u3000 \u0301 \u00a0".split(" "), " ");
const words = fc.array(letters, { maxLength: 6 }).map((parts) => parts.join(""));
const someRules = fc.array(fc.array(words, { minLength: 1, maxLength: 3 }), { maxLength: 6 });
const runs = { seed: 20_260_120, numRuns: 2000 };

test("what is folded stays as it is, however it is written", () => {
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: "grapheme" })), (text) => {
      assert.is(fold(fold(text)), fold(text));
      for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) assert.is(fold(text.normalize(form)), fold(text), form);
      assert.is(fold(`\t${text}\n`), fold(text));
    }),
    runs,
  );
});

test("the choice is the first of all that match: whole, then longest, then lowest, in whatever order rules come", () => {
  fc.assert(
    fc.property(someRules, words, fc.array(words, { maxLength: 2 }), (given, text, more) => {
      const rules = given.map((list, index) => keywords(index + 1, ...list));
      const asked = [text, ...more].join(" ");
      const folded = fold(asked);
      const matches = rules.flatMap((rule) =>
        rule.keywords
          .filter((keyword) => keyword.folded !== "" && folded.includes(keyword.folded))
          .map((keyword) => ({ rule: rule.id, whole: keyword.folded === folded, length: [...keyword.folded].length })),
      );
      const [best] = matches.toSorted(
        (a, b) => Number(b.whole) - Number(a.whole) || b.length - a.length || a.rule - b.rule,
      );
      assert.is(answered(rules, asked)?.[0], best?.rule);
      assert.equal(answered(rules.toReversed(), asked), answered(rules, asked));
    }),
    runs,
  );
});

test("every second of the day is within exactly one of a window and the one that begins where it ends", () => {
  const seconds = fc.nat({ max: 86_399 });
  fc.assert(
    fc.property(seconds, seconds, seconds, (from, until, at) => {
      fc.pre(from !== until);
      assert.is.not(isWithin({ from, until }, at), isWithin({ from: until, until: from }, at));
    }),
    runs,
  );
});

test.run();
