/** What LINE, or the tables, would not take of a template: told by field when it is saved. Pure. */
import { lineLimits } from "./line-limits.ts";
import { prepareTemplate } from "./render.ts";
import { templateTypes, type CarouselItem, type Template, type TemplateButton } from "./template.ts";
import { encodedUrl, fitsCodePoints, fitsGraphemes } from "./text.ts";

export interface Fault {
  /** `carousel_items[3].title` */
  field: string;
  /** What is wrong with it, to be read after the field: "is over LINE's 40 characters". */
  message: string;
}

/** Of the tables. */
const own = {
  name: 100,
  preview: 100,
  notification: 400,
  title: 100,
  description: 200,
  url: 500,
  result: 10_000,
  levels: 32,
  price: 99_999_999.99,
};
/** Of a text with buttons: what a bubble of full-length links has room for. */
const mostButtons = 10;

/** Everything that is wrong, by field. A template without faults renders to messages that LINE takes. */
export function templateFaults(template: Template): Fault[] {
  const faults: Fault[] = [];
  const fault = (field: string, message: string | undefined) => void (message && faults.push({ field, message }));

  if (!templateTypes.includes(template.type))
    return [{ field: "type", message: `must be ${templateTypes.join(", ")}` }];
  fault("name", ownText(template.name, own.name));
  fault("notification_text", ownText(template.notification_text, own.notification));
  fault("preview_text", ownText(template.preview_text, own.preview));

  if (template.type === "text" || template.type === "text_button") {
    fault("content", contentFault(template.content));
  } else fault("content", template.content ? textFault(template.content) : undefined);
  // Also those that the type does not show: they are stored, and shown once the type is another one.
  const buttons = template.buttons ?? [];
  fault("buttons", countFault(buttons.length, mostButtons, "buttons", template.type === "text_button"));
  for (const [index, button] of buttons.slice(0, mostButtons).entries()) {
    for (const { field, message } of buttonFaults(button)) fault(`buttons[${index}].${field}`, message);
  }
  const cards = template.carousel_items ?? [];
  const most = template.type === "image_click" ? 1 : lineLimits.flex.bubbles;
  const areShown = template.type === "image_click" || template.type === "image_card";
  fault("carousel_items", countFault(cards.length, most, most === 1 ? "picture" : "cards", areShown));
  for (const [index, card] of cards.slice(0, most).entries()) {
    for (const { field, message } of cardFaults(card)) fault(`carousel_items[${index}].${field}`, message);
  }
  fault("interaction_result", resultFault(template.interaction_result));
  return faults.length > 0 ? faults : sizeFaults(template);
}

function buttonFaults({ label, action_url: url }: TemplateButton): Fault[] {
  const fault = isBlank(label)
    ? "must not be blank"
    : (textFault(label) ??
      (fitsGraphemes(label, lineLimits.flex.label) ? undefined : over("LINE's", lineLimits.flex.label)));
  return told({ label: fault, action_url: actionUrlFault(url) });
}

function cardFaults({ image_url: image, title, description, price, action_url: url }: CarouselItem): Fault[] {
  return told({
    image_url: imageUrlFault(image),
    title: ownText(title, own.title),
    description: ownText(description, own.description),
    price: priceFault(price),
    action_url: actionUrlFault(url),
  });
}

const told = (faults: Readonly<Record<string, string | undefined>>): Fault[] =>
  Object.entries(faults).flatMap(([field, message]) => (message ? [{ field, message }] : []));

function contentFault(content: string | null | undefined): string | undefined {
  if (!content || isBlank(content)) return "must not be blank";
  if (content.length > lineLimits.text) return over("LINE's", lineLimits.text);
  return textFault(content);
}

function ownText(text: string | null | undefined, most: number): string | undefined {
  if (!text) return undefined;
  return fitsCodePoints(text, most) ? textFault(text) : over("", most);
}

/** Of any text: a database takes no NUL, and LINE none that is no Unicode. Line breaks and tabs are shown. */
function textFault(text: string): string | undefined {
  if (!text.isWellFormed()) return "must be valid Unicode";
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)
    ? "must not contain control characters"
    : undefined;
}

/** Anything, as far as a database takes it: JSON writes a half of a character, and NUL, as an escape. */
function resultFault(result: Template["interaction_result"]): string | undefined {
  if (!result) return undefined;
  if (isDeep(result)) return `is nested more than ${own.levels} levels deep`;
  const json = JSON.stringify(result);
  if (json.length > own.result) return over("", own.result);
  return /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/.test(json) ? "must be valid Unicode" : undefined;
}

/** Without recursion, which is what JSON of many levels brings down. */
function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > own.levels) return true;
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return false;
}

function imageUrlFault(url: string): string | undefined {
  if (url.length > own.url) return over("", own.url);
  const parsed = parse(url);
  if (parsed?.protocol !== "https:") return "must be an https address: LINE shows no other image";
  return encodedUrl(url).length > lineLimits.imageUrl
    ? `is over LINE's ${most(lineLimits.imageUrl)} when encoded`
    : undefined;
}

/** https://developers.line.biz/en/reference/messaging-api/#uri-action */
const schemes: ReadonlySet<string> = new Set(["https:", "http:", "line:", "tel:"]);

function actionUrlFault(url: string | null | undefined): string | undefined {
  if (!url) return undefined;
  if (url.length > own.url) return over("", own.url);
  if (!schemes.has(parse(url)?.protocol ?? "")) return "must be an http, https, line or tel address";
  return encodedUrl(url).length > lineLimits.uri ? `is over LINE's ${most(lineLimits.uri)} when encoded` : undefined;
}

/** Undefined for what is no address, or would be read as another one than it looks like. */
function parse(url: string): URL | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f\\]/.test(url) || !url.isWellFormed()) return undefined;
  const parsed = URL.parse(url);
  return parsed && parsed.username === "" && parsed.password === "" ? parsed : undefined;
}

function priceFault(price: number | string | null | undefined): string | undefined {
  if (price === null || price === undefined) return undefined;
  const fits = typeof price === "number" ? Number.isFinite(price) : /^\d{1,8}(?:\.\d{1,2})?$/.test(price);
  return fits && Number(price) >= 0 && Number(price) <= own.price
    ? undefined
    : "must be an amount from 0 to 99,999,999.99";
}

/**
 * What is within the limits of its fields can still be too much at once, with links as long as they may be. Texts of
 * Chinese and emojis take 3 and 4 bytes a character.
 */
function sizeFaults(template: Template): Fault[] {
  const longest = { uri: `https://${"a".repeat(lineLimits.uri - 8)}` };
  for (const message of prepareTemplate(template).messages(() => longest)) {
    if (message.type !== "flex") continue;
    const { contents } = message;
    const bubbles = "contents" in contents ? contents.contents : [contents];
    const field = template.type === "text_button" ? "content" : "carousel_items";
    const isOver =
      bubbles.some((bubble) => bytes(bubble) > lineLimits.flex.bubbleBytes) ||
      bytes(contents) > lineLimits.flex.carouselBytes;
    if (isOver) return [{ field, message: "is more than LINE takes in one message" }];
  }
  return [];
}

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

function countFault(count: number, atMost: number, what: string, isNeeded: boolean): string | undefined {
  if (count <= atMost && (count > 0 || !isNeeded)) return undefined;
  return atMost === 1 ? `must be one ${what}` : `must be 1 to ${atMost} ${what}`;
}

const most = (count: number) => `${count.toLocaleString("en-US")} characters`;
const over = (whose: string, count: number) => `is over ${whose ? `${whose} ` : ""}${most(count)}`;
const isBlank = (text: string) => text.trim() === "";
