import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { templateFaults } from "./limits.ts";
import { anyTemplate, buttons, card, cards } from "./template.fixture.ts";
import type { Template } from "./template.ts";

const test = suite("limits of templates");
const faults = (template: Template) => templateFaults(template).map(({ field, message }) => `${field} ${message}`);

test("what LINE takes has no faults", () => {
  assert.equal(faults({ type: "text", content: "字".repeat(5000) }), []);
  assert.equal(faults(buttons("字".repeat(5000), "字".repeat(40))), []);
  assert.equal(faults(cards({ title: "字".repeat(100), description: "字".repeat(200), price: 3200 })), []);
  assert.equal(faults({ type: "image_click", carousel_items: [card()] }), []);
});

test("a fault names its field and LINE's limit", () => {
  assert.equal(faults({ type: "text", content: "字".repeat(5001) }), ["content is over LINE's 5,000 characters"]);
  assert.equal(faults({ type: "text", content: "🍎".repeat(2501) }), ["content is over LINE's 5,000 characters"]);
  assert.equal(faults({ type: "text" }), ["content must not be blank"]);
  assert.equal(faults(buttons("好", "一", "a".repeat(41))), ["buttons[1].label is over LINE's 40 characters"]);
  assert.equal(faults(buttons("好", " ")), ["buttons[0].label must not be blank"]);
  assert.equal(faults(buttons("好")), ["buttons must be 1 to 10 buttons"]);
  assert.equal(faults(cards({}, {}, {}, { title: "字".repeat(101) })), [
    "carousel_items[3].title is over 100 characters",
  ]);
  assert.equal(faults(cards()), ["carousel_items must be 1 to 12 cards"]);
  assert.equal(faults({ type: "image_click", carousel_items: [card(), card()] }), [
    "carousel_items must be one picture",
  ]);
});

test("all faults are told at once", () => {
  const template = {
    ...cards({ title: "a\u0000" }, { image_url: "http://x.example/", price: -1 }),
    name: "字".repeat(101),
  };
  assert.equal(
    templateFaults(template).map(({ field }) => field),
    ["name", "carousel_items[0].title", "carousel_items[1].image_url", "carousel_items[1].price"],
  );
});

test("what the type does not show is stored, and so has to be right, too", () => {
  const shown = { type: "text", content: "好" } as const;
  assert.equal(faults({ ...shown, buttons: [{ label: "立即訂房" }], carousel_items: [card(), card()] }), []);
  assert.equal(faults({ ...shown, buttons: [{ label: "a\ud800" }] }), ["buttons[0].label must be valid Unicode"]);
  assert.equal(faults({ ...shown, carousel_items: [{ ...card(), title: "字".repeat(101) }] }), [
    "carousel_items[0].title is over 100 characters",
  ]);
  const result = (given: Record<string, unknown>) => faults({ ...shown, interaction_result: given });
  assert.equal(result({ next: "thank", text: "謝謝 \\u0000 😀" }), []);
  for (const bad of [{ a: "\u0000" }, { "\u0000": 1 }, { a: ["x\\\ud83d"] }, { a: "\udc00" }])
    assert.equal(result(bad), ["interaction_result must be valid Unicode"]);
  assert.equal(result({ a: "x".repeat(10_000) }), ["interaction_result is over 10,000 characters"]);
});

test("a label is counted in characters as people see them", () => {
  assert.equal(faults(buttons("好", "👨‍👩‍👧‍👦".repeat(40))), []);
  assert.equal(faults(buttons("好", "👨‍👩‍👧‍👦".repeat(41))), ["buttons[0].label is over LINE's 40 characters"]);
});

test("a character with marks without end is more than one", () => {
  assert.equal(faults(buttons("好", `e${"\u0301".repeat(100_000)}`)), [
    "buttons[0].label is over LINE's 40 characters",
  ]);
});

test("an image is an https address, an action one that LINE opens", () => {
  const image = (image_url: string) => faults(cards({ image_url }))[0];
  const action = (action_url: string) => faults(cards({ action_url }))[0];
  assert.is(image("https://cdn.hotel.example/月.jpg"), undefined);
  for (const bad of ["http://cdn.hotel.example/1.jpg", "ftp://x", "1.jpg", "", "https://", "https://a b/", "data:,"]) {
    assert.match(image(bad) ?? "", /^carousel_items\[0\]\.image_url must be an https address/, bad);
  }
  for (const good of ["https://hotel.example", "http://hotel.example", "tel:+886212345678", "line://ti/p/@hotel"]) {
    assert.is(action(good), undefined, good);
  }
  const hostile = ["javascript:alert(1)", "JaVaScRiPt:x", "//evil.example", "https://good.example@evil.example/"];
  for (const bad of [...hostile, "https:\\\\evil.example", "https://a.example/\r\nSet-Cookie: x", "hotel.example"]) {
    assert.match(action(bad) ?? "", /^carousel_items\[0\]\.action_url must be an http, https, line or tel/, bad);
  }
  assert.match(action(`https://hotel.example/${"a".repeat(479)}`) ?? "", /is over 500 characters/);
  assert.match(
    action(`https://hotel.example/${"字".repeat(200)}`) ?? "",
    /is over LINE's 1,000 characters when encoded/,
  );
});

test("text that no database or screen takes is refused", () => {
  assert.equal(faults({ type: "text", content: "a\u0000b" }), ["content must not contain control characters"]);
  assert.equal(faults({ type: "text", content: "a\ud800b" }), ["content must be valid Unicode"]);
  assert.equal(faults({ type: "text", content: "a\r\n\tb" }), []);
});

test("a price is an amount", () => {
  const price = (value: number | string) => faults(cards({ price: value })).length === 0;
  for (const good of [0, 3200, 99.5, "3200.00", 99_999_999.99]) assert.ok(price(good), String(good));
  for (const bad of [-1, Number.NaN, Infinity, 100_000_000, "1e5", "abc", ""]) assert.not(price(bad), String(bad));
});

test("whatever it is given, it answers", () => {
  fc.assert(fc.property(anyTemplate, (template) => Array.isArray(templateFaults(template))));
});

test.run();
