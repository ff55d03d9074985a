/** Templates for tests, and links for them. */
import * as fc from "fast-check";
import type { CarouselItem, Link, Template } from "./template.ts";

/** Where no link is signed: the address itself, or a postback that names the place. */
export const plainLink: Link = ({ kind, index, url }) => (url === null ? { data: `${kind}=${index}` } : { uri: url });

export function card(given: Partial<CarouselItem> = {}): CarouselItem {
  return {
    image_url: "https://cdn.hotel.example/001.jpg",
    title: "商務優惠方案",
    description: "週一至週四 8 折",
    action_url: "https://hotel.example/offers/business",
    ...given,
  };
}

export function cards(...items: Partial<CarouselItem>[]): Template {
  return {
    type: "image_card",
    name: "中秋優惠模板",
    notification_text: "中秋特別優惠來了！",
    carousel_items: items.map(card),
  };
}

export function buttons(content: string, ...labels: string[]): Template {
  return {
    type: "text_button",
    content,
    buttons: labels.map((label) => ({ label, action_url: "https://hotel.example/" })),
  };
}

const units = ["a", "字", "🍎", "👨‍👩‍👧‍👦", "é", " ", '"', "\\", "\n", "{"];
/** Mostly what LINE takes; one in 20 is not. */
const mostly = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 19, arbitrary: good }, { weight: 1, arbitrary: bad });
const text = (most: number) =>
  mostly(
    fc.oneof(
      fc
        .string({ unit: fc.constantFrom(...units), maxLength: most })
        .map((given) => `字${given}`.slice(0, most).toWellFormed()),
      fc.constantFrom("字".repeat(most), "a".repeat(most), "👨‍👩‍👧‍👦".repeat(Math.ceil(most / 11))),
    ),
    fc.constantFrom("", " ", "a\u0000", "\ud800", "a".repeat(most + 1), "🍎".repeat(most)),
  );
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 3 });
const url = mostly(
  fc.oneof(
    fc.webUrl(),
    fc.constantFrom(
      "https://hotel.example/訂房?a=1&b=“2”",
      `https://hotel.example/${"a".repeat(478)}`,
      "tel:+886212345678",
      "line://ti/p/@hotel",
      "http://hotel.example",
    ),
  ),
  fc.constantFrom(
    `https://hotel.example/${"字".repeat(478)}`,
    "javascript:alert(1)",
    "hotel.example",
    " https://hotel.example",
  ),
);
const image = mostly(fc.webUrl({ validSchemes: ["https"] }), url);
const tag = maybe(fc.integer({ min: 1, max: 9 }));

const item: fc.Arbitrary<CarouselItem> = fc.record({
  image_url: image,
  title: maybe(fc.oneof(text(40), text(100))),
  description: maybe(fc.oneof(text(60), text(200))),
  price: fc.option(mostly(fc.constantFrom<number | string>(3200, 0, "99.50"), fc.constantFrom(-1, "1e5", Number.NaN)), {
    freq: 1,
  }),
  action_url: maybe(url),
  interaction_tag_id: tag,
  sort_order: maybe(fc.integer({ min: -3, max: 3 })),
});

/** Every kind of template, many of them with something that LINE would not take, most of them near a limit. */
export const anyTemplate: fc.Arbitrary<Template> = fc.record({
  type: fc.constantFrom("text", "text_button", "image_click", "image_card"),
  name: maybe(text(100)),
  content: maybe(fc.oneof(text(160), text(161), text(5000))),
  buttons: maybe(
    fc.array(fc.record({ label: fc.oneof(text(20), text(40)), action_url: maybe(url), interaction_tag_id: tag }), {
      minLength: 1,
      maxLength: 11,
    }),
  ),
  notification_text: maybe(text(400)),
  preview_text: maybe(text(100)),
  interaction_tag_id: tag,
  carousel_items: maybe(fc.oneof(fc.array(item, { maxLength: 13 }), fc.array(item, { minLength: 1, maxLength: 2 }))),
});
