/**
 * LINE's messages as its reference describes them, with the limits that its OpenAPI document leaves out.
 * https://developers.line.biz/en/reference/messaging-api/#message-objects
 */
import { Type, type TSchema } from "typebox";

const segmenter = new Intl.Segmenter();
const closed = { additionalProperties: false };
const object = (properties: Record<string, TSchema>) => Type.Object(properties, closed);
const optional = Type.Optional;
const literal = Type.Literal;
const oneOf = (...values: string[]) => Type.Union(values.map((value) => literal(value)));

/** Counted in UTF-16 code units, LINE's rule. https://developers.line.biz/en/docs/messaging-api/text-character-count/ */
const units = (most: number, least = 1) =>
  Type.Refine(
    Type.String(),
    (text) => text.length <= most && (least === 0 || text.trim() !== ""),
    (text) => (text.length > most ? `Length must be between ${least} and ${most}` : "May not be empty"),
  );

/** Counted in grapheme clusters, LINE's exception. */
const clusters = (most: number) =>
  Type.Refine(
    Type.String(),
    (text) => text.trim() !== "" && (text.length <= most || [...segmenter.segment(text)].length <= most),
    (text) => (text.trim() === "" ? "May not be empty" : `Length must be between 1 and ${most}`),
  );

const address = (schemes: string[], most: number, message: string) =>
  Type.Refine(
    Type.String(),
    (text) =>
      text.length <= most && /^[\u0021-\u007e]+$/.test(text) && schemes.includes(URL.parse(text)?.protocol ?? ""),
    () => message,
  );
const https = address(["https:"], 2000, "Must be a valid https URL of at most 2000 characters");
const uri = address(["http:", "https:", "line:", "tel:"], 1000, "invalid uri");
const color = Type.String({ pattern: "^#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$" });

/** An action whose label has at most so many characters; 0: may be left out, and is not shown. */
function action(label: number): TSchema {
  const labelled = label === 0 ? { label: optional(clusters(40)) } : { label: clusters(label) };
  const shown = { displayText: optional(clusters(300)), text: optional(clusters(300)) };
  return Type.Union([
    object({ type: literal("uri"), ...labelled, uri, altUri: optional(object({ desktop: optional(uri) })) }),
    object({
      type: literal("postback"),
      ...labelled,
      data: units(300, 0),
      ...shown,
      inputOption: optional(oneOf("closeRichMenu", "openRichMenu", "openKeyboard", "openVoice")),
      fillInText: optional(clusters(300)),
    }),
    object({ type: literal("message"), ...labelled, text: clusters(300) }),
  ]);
}
const templateAction = action(20);

const common = {
  quickReply: optional(
    object({
      items: Type.Array(object({ type: literal("action"), imageUrl: optional(https), action: templateAction }), {
        minItems: 1,
        maxItems: 13,
      }),
    }),
  ),
  sender: optional(object({ name: optional(units(20)), iconUrl: optional(https) })),
};
const altText = units(400);

const pictured = {
  thumbnailImageUrl: optional(https),
  imageBackgroundColor: optional(color),
  title: optional(clusters(40)),
  defaultAction: optional(templateAction),
};
const imageStyle = {
  imageAspectRatio: optional(oneOf("rectangle", "square")),
  imageSize: optional(oneOf("cover", "contain")),
};
const actions = (least: number, most: number) => Type.Array(templateAction, { minItems: least, maxItems: most });

/** What else holds of them is in `line-rules.ts`. */
const templates = {
  buttons: object({
    type: literal("buttons"),
    ...pictured,
    ...imageStyle,
    text: clusters(160),
    actions: actions(1, 4),
  }),
  confirm: object({ type: literal("confirm"), text: clusters(240), actions: actions(2, 2) }),
  carousel: object({
    type: literal("carousel"),
    ...imageStyle,
    columns: Type.Array(object({ ...pictured, text: clusters(120), actions: actions(1, 3) }), {
      minItems: 1,
      maxItems: 10,
    }),
  }),
  image_carousel: object({
    type: literal("image_carousel"),
    columns: Type.Array(object({ imageUrl: https, action: action(12) }), { minItems: 1, maxItems: 10 }),
  }),
};

const area = object({ x: Type.Integer(), y: Type.Integer(), width: Type.Integer(), height: Type.Integer() });
const imagemapAction = Type.Union([
  object({ type: literal("uri"), linkUri: uri, label: optional(clusters(100)), area }),
  object({ type: literal("message"), text: units(400), label: optional(clusters(100)), area }),
]);

export const messageSchemas: Readonly<Record<string, TSchema>> = {
  text: object({ type: literal("text"), ...common, text: units(5000), quoteToken: optional(Type.String()) }),
  image: object({ type: literal("image"), ...common, originalContentUrl: https, previewImageUrl: https }),
  imagemap: object({
    type: literal("imagemap"),
    ...common,
    baseUrl: https,
    altText,
    baseSize: object({ width: literal(1040), height: Type.Integer({ minimum: 1 }) }),
    actions: Type.Array(imagemapAction, { minItems: 1, maxItems: 50 }),
  }),
  template: object({
    type: literal("template"),
    ...common,
    altText,
    template: Type.Union(Object.values(templates)),
  }),
  flex: object({ type: literal("flex"), ...common, altText, contents: Type.Record(Type.String(), Type.Unknown()) }),
};

export const templateSchemas: Readonly<Record<string, TSchema>> = templates;

/** Filled with components: those are checked one by one. */
const components = Type.Array(Type.Unknown());
const block = optional(Type.Unknown());
const style = object({
  backgroundColor: optional(color),
  separator: optional(Type.Boolean()),
  separatorColor: optional(color),
});

export const containerSchemas: Readonly<Record<string, TSchema>> = {
  bubble: object({
    type: literal("bubble"),
    size: optional(oneOf("nano", "micro", "deca", "hecto", "kilo", "mega", "giga")),
    direction: optional(oneOf("ltr", "rtl")),
    header: block,
    hero: block,
    body: block,
    footer: block,
    styles: optional(
      object({ header: optional(style), hero: optional(style), body: optional(style), footer: optional(style) }),
    ),
    action: optional(action(0)),
  }),
  carousel: object({ type: literal("carousel"), contents: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 12 }) }),
};

const space = optional(Type.String({ pattern: "^(?:none|xs|sm|md|lg|xl|xxl|\\d+(?:\\.\\d+)?px)$" }));
const size = optional(
  Type.String({ pattern: "^(?:xxs|xs|sm|md|lg|xl|xxl|3xl|4xl|5xl|full|\\d+(?:\\.\\d+)?(?:px|%))$" }),
);
const ratio = optional(Type.String({ pattern: "^\\d{1,6}(?:\\.\\d+)?:\\d{1,6}(?:\\.\\d+)?$" }));
const placed = {
  flex: optional(Type.Integer({ minimum: 0 })),
  margin: space,
  gravity: optional(oneOf("top", "bottom", "center")),
  action: optional(action(0)),
};

export const componentSchemas: Readonly<Record<string, TSchema>> = {
  box: object({
    type: literal("box"),
    ...placed,
    layout: oneOf("horizontal", "vertical", "baseline"),
    contents: components,
    spacing: space,
    backgroundColor: optional(color),
    cornerRadius: space,
    paddingAll: space,
    justifyContent: optional(
      oneOf("center", "flex-start", "flex-end", "space-between", "space-around", "space-evenly"),
    ),
    alignItems: optional(oneOf("center", "flex-start", "flex-end")),
  }),
  button: object({
    type: literal("button"),
    ...placed,
    action: action(40),
    height: optional(oneOf("sm", "md")),
    style: optional(oneOf("primary", "secondary", "link")),
    color: optional(color),
  }),
  image: object({
    type: literal("image"),
    ...placed,
    url: https,
    align: optional(oneOf("start", "end", "center")),
    size,
    aspectRatio: ratio,
    aspectMode: optional(oneOf("cover", "fit")),
    backgroundColor: optional(color),
    animated: optional(Type.Boolean()),
  }),
  text: object({
    type: literal("text"),
    ...placed,
    text: units(30_000),
    align: optional(oneOf("start", "end", "center")),
    size,
    color: optional(color),
    weight: optional(oneOf("regular", "bold")),
    wrap: optional(Type.Boolean()),
    maxLines: optional(Type.Integer({ minimum: 0 })),
  }),
  separator: object({ type: literal("separator"), margin: space, color: optional(color) }),
};

export const userId = Type.Refine(
  Type.String(),
  (id) => /^U[0-9a-f]{32}$/.test(id),
  () => "Invalid user ID",
);
const unit = optional(Type.Array(Type.String({ pattern: "^[a-zA-Z0-9_]{1,30}$" }), { maxItems: 1 }));
const notificationDisabled = optional(Type.Boolean());

/** Their `messages` and ids are checked apart. */
export const requestSchemas = {
  push: object({
    to: Type.String({ minLength: 1 }),
    messages: components,
    notificationDisabled,
    customAggregationUnits: unit,
  }),
  multicast: object({
    to: Type.Array(Type.String(), { minItems: 1, maxItems: 500 }),
    messages: components,
    notificationDisabled,
    customAggregationUnits: unit,
  }),
  reply: object({ replyToken: Type.String({ minLength: 1 }), messages: components, notificationDisabled }),
};
