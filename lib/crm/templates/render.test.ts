import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { messageFaults } from "../../../ops/e2e/stand-ins/line-rules.ts";
import { templateFaults } from "./limits.ts";
import { prepareTemplate, renderTemplate } from "./render.ts";
import { anyTemplate, buttons, card, cards, plainLink } from "./template.fixture.ts";
import type { Link, LinkPlace, Template } from "./template.ts";

const test = suite("templates as LINE's messages");

/** What LINE would see: JSON. */
const rendered = (template: Template, link: Link = plainLink): unknown =>
  JSON.parse(JSON.stringify(renderTemplate(template, link)));

test("a text is a text message", () => {
  assert.equal(rendered({ type: "text", content: "入住愉快 ✓\n王小明" }), [
    { type: "text", text: "入住愉快 ✓\n王小明" },
  ]);
});

test("a text with buttons is LINE's own template, whose buttons open or post back", () => {
  const template: Template = {
    type: "text_button",
    content: "請選擇房型",
    notification_text: "秋季住房優惠",
    buttons: [{ label: "訂房", action_url: "https://hotel.example/book" }, { label: "我有興趣" }],
  };
  assert.equal(rendered(template), [
    {
      type: "template",
      altText: "秋季住房優惠",
      template: {
        type: "buttons",
        text: "請選擇房型",
        actions: [
          { type: "uri", label: "訂房", uri: "https://hotel.example/book" },
          { type: "postback", label: "我有興趣", displayText: "我有興趣", data: "button=1" },
        ],
      },
    },
  ]);
});

test("what does not fit into it becomes a flex bubble with the same words", () => {
  const typeOf = (template: Template) => renderTemplate(template, plainLink)[0]?.type;
  assert.is(typeOf(buttons("字".repeat(160), "一", "二", "三", "四")), "template");
  assert.is(typeOf(buttons("字".repeat(161), "一")), "flex");
  assert.is(typeOf(buttons("好", "一", "二", "三", "四", "五")), "flex");
  assert.is(typeOf(buttons("好", "字".repeat(20))), "template");
  assert.is(typeOf(buttons("好", "字".repeat(21))), "flex");
  const [message] = renderTemplate(buttons("字".repeat(161), "訂房"), plainLink);
  assert.match(JSON.stringify(message), "字".repeat(161));
  assert.match(JSON.stringify(message), '"label":"訂房"');
});

test("a family is one character of a template's text, as LINE counts", () => {
  const [message] = renderTemplate(buttons("👨‍👩‍👧‍👦".repeat(160), "🍎".repeat(20)), plainLink);
  assert.is(message?.type, "template");
});

test("a picture to tap is a bubble that is all picture", () => {
  const template: Template = {
    type: "image_click",
    notification_text: "週年慶",
    carousel_items: [card({ title: null })],
  };
  assert.equal(rendered(template), [
    {
      type: "flex",
      altText: "週年慶",
      contents: {
        type: "bubble",
        size: "giga",
        hero: {
          type: "image",
          url: "https://cdn.hotel.example/001.jpg",
          size: "full",
          aspectRatio: "1:1",
          aspectMode: "fit",
          action: { type: "uri", label: "查看詳情", uri: "https://hotel.example/offers/business" },
        },
      },
    },
  ]);
});

test("cards are LINE's own carousel, in their order, each with one action for the picture and its button", () => {
  const action = { type: "uri", label: "查看詳情", uri: "https://hotel.example/offers/business" };
  const column = (title: string) => ({
    thumbnailImageUrl: "https://cdn.hotel.example/001.jpg",
    title,
    text: "週一至週四 8 折",
    defaultAction: action,
    actions: [action],
  });
  assert.equal(rendered(cards({ title: "二", sort_order: 2 }, { title: "一", sort_order: 1 })), [
    {
      type: "template",
      altText: "中秋特別優惠來了！",
      template: { type: "carousel", columns: [column("一"), column("二")] },
    },
  ]);
});

test("cards with a price, a longer text, a title less or too many are flex bubbles", () => {
  const typeOf = (template: Template) => renderTemplate(template, plainLink)[0]?.type;
  const many = (count: number) => cards(...Array.from({ length: count }, () => ({})));
  assert.is(typeOf(many(10)), "template");
  assert.is(typeOf(many(11)), "flex");
  assert.is(typeOf(cards({ title: "字".repeat(40), description: "字".repeat(60) })), "template");
  assert.is(typeOf(cards({ title: "字".repeat(41) })), "flex");
  assert.is(typeOf(cards({ description: "字".repeat(61) })), "flex");
  assert.is(typeOf(cards({ description: null })), "flex");
  assert.is(typeOf(cards({ title: null }, { title: null })), "template");
  assert.is(typeOf(cards({ title: null }, {})), "flex");
  assert.match(JSON.stringify(rendered(cards({ price: "3200.00" }, {}))), '"text":"NT$3,200"');
  assert.match(JSON.stringify(rendered(cards({ price: 99.5 }))), '"text":"NT$99.5"');
});

test("a tap is of the button or card and carries its own tag and the template's", () => {
  const template = { ...cards({ id: 31, interaction_tag_id: 6 }, { id: 32, action_url: null }), interaction_tag_id: 5 };
  const expected: LinkPlace[] = [
    { kind: "item", index: 0, itemId: 31, url: "https://hotel.example/offers/business", tagIds: [6, 5] },
    { kind: "item", index: 1, itemId: 32, url: null, tagIds: [5] },
  ];
  assert.equal(prepareTemplate(template).places, expected);
  const shared = { ...buttons("好", "一"), interaction_tag_id: 7 };
  shared.buttons = [{ label: "一", interaction_tag_id: 7 }];
  assert.equal(prepareTemplate(shared).places, [{ kind: "button", index: 0, itemId: null, url: null, tagIds: [7] }]);
});

test("one template is prepared once, and each member gets his own links", () => {
  const prepared = prepareTemplate(cards({}, { action_url: null }));
  const of =
    (member: string): Link =>
    ({ index, url }) =>
      url ? { uri: `https://r.example/"${member}"` } : { data: `${member}:${index}` };
  for (const member of ["王", "李"]) {
    const { json } = prepared.json(of(member));
    assert.equal(JSON.parse(json), rendered(cards({}, { action_url: null }), of(member)));
    assert.is(json.split(`https://r.example/\\"${member}\\"`).length - 1, 2, "the picture and its button");
    assert.is(json.split(`"data":"${member}:1"`).length - 1, 2);
  }
});

test("a link that LINE would not take is not made", () => {
  const { json } = prepareTemplate(buttons("好", "一"));
  assert.ok(json(() => ({ uri: `https://${"a".repeat(992)}` })));
  assert.throws(() => json(() => ({ uri: `https://${"a".repeat(993)}` })), /1001 characters; LINE takes 1000/);
  assert.throws(() => json(() => ({ data: "a".repeat(301) })), /LINE takes 300/);
});

test("the alternative text is the notification, else what there is", () => {
  const altText = (template: Template) => (renderTemplate(template, plainLink)[0] as { altText?: string }).altText;
  assert.is(altText({ ...cards({}), notification_text: null, preview_text: "點擊查看詳情" }), "點擊查看詳情");
  assert.is(altText({ ...cards({}), notification_text: " " }), "商務優惠方案");
  assert.is(altText(buttons("請選擇房型", "一")), "請選擇房型");
  assert.is(altText({ type: "image_click", carousel_items: [card({ title: null })] }), "您有一則新訊息");
  const long = altText(buttons(`${"a".repeat(399)}🍎`, "一".repeat(30))) ?? "";
  assert.ok(long.isWellFormed() && long.length <= 400, long);
});

test("an address that is not written for the wire is encoded; one that is stays as it was", () => {
  const urls = prepareTemplate(
    cards({ action_url: "https://hotel.example/訂房" }, { action_url: "https://hotel.example" }),
  );
  assert.equal(
    urls.places.map(({ url }) => url),
    ["https://hotel.example/%E8%A8%82%E6%88%BF", "https://hotel.example"],
  );
});

test("every template without faults is taken by LINE, also with the longest links", () => {
  let taken = 0;
  const longest: Link = ({ url }) => (url ? { uri: `https://${"a".repeat(992)}` } : { data: "字".repeat(300) });
  fc.assert(
    fc.property(anyTemplate, fc.constantFrom(plainLink, longest), (template, link) => {
      if (templateFaults(template).length > 0) return;
      taken++;
      const messages = rendered(template, link) as unknown[];
      assert.is(messages.length, 1);
      assert.equal(messageFaults(messages), []);
    }),
    { numRuns: 2000 },
  );
  assert.ok(taken > 100, `only ${taken} of them had no faults`);
});

test.run();
