/** From a template to LINE's messages, with marks where the tap of each member leads somewhere else. Pure. */
import type { messagingApi } from "@line/bot-sdk";
import { clip, encodedUrl, fitsGraphemes } from "./text.ts";
import type { CarouselItem, LinkPlace, Template } from "./template.ts";
import { lineLimits } from "./line-limits.ts";

type Message = messagingApi.Message;
type Action = messagingApi.Action;

/** Gives the action of a place: a mark, until it is filled in. `says`: what a postback shows in the chat. */
export type Mark = (place: LinkPlace, label: string, says: string) => Action;

/** On a card, which has no label of its own. */
const cardLabel = "查看詳情";
/** Where a template has no text at all that could tell of it. */
const anyMessage = "您有一則新訊息";

/** The messages of a template without faults. */
export function messagesOf(template: Template, mark: Mark): Message[] {
  const content = template.content ?? "";
  switch (template.type) {
    case "text":
      return [{ type: "text", text: content }];
    case "text_button":
      return [textButton(template, content, mark)];
    case "image_click":
      return cardsOf(template)
        .slice(0, 1)
        .map((card) => imageClick(template, card, mark));
    case "image_card":
      return [imageCards(template, cardsOf(template), mark)];
  }
}

/** The cards in the order in which they are shown. */
function cardsOf(template: Template): CarouselItem[] {
  return (template.carousel_items ?? []).toSorted((a, b) => (a.sort_order ?? 0) - (b.sort_order ?? 0));
}

function textButton(template: Template, content: string, mark: Mark): Message {
  const buttons = template.buttons ?? [];
  const actions = buttons.map(({ label, action_url: url, interaction_tag_id: tag }, index) =>
    mark({ kind: "button", index, itemId: null, url: urlOf(url), tagIds: tagsOf(tag, template) }, label, label),
  );
  const { text, label } = lineLimits.buttons;
  const fits =
    buttons.length <= lineLimits.buttons.actions &&
    fitsGraphemes(content, text) &&
    buttons.every((button) => fitsGraphemes(button.label, label));
  if (fits)
    return { type: "template", altText: altText(template), template: { type: "buttons", text: content, actions } };
  const bubble: messagingApi.FlexBubble = {
    type: "bubble",
    body: vertical([{ type: "text", text: content, wrap: true }]),
    footer: vertical(actions.map((action) => ({ type: "button", height: "sm", style: "link", action }))),
  };
  return { type: "flex", altText: altText(template), contents: bubble };
}

/**
 * A bubble that is all image. An imagemap would do the same, but asks for five sizes of each picture under addresses
 * that end in them. Of a picture's shape nothing is known here, so it is fitted in: nothing of a poster is cut off.
 */
function imageClick(template: Template, card: CarouselItem, mark: Mark): Message {
  const action = cardAction(template, card, 0, mark);
  const image = { type: "image", url: encodedUrl(card.image_url), size: "full", aspectRatio: "1:1" } as const;
  const hero: messagingApi.FlexImage = { ...image, aspectMode: "fit", action };
  return { type: "flex", altText: altText(template), contents: { type: "bubble", size: "giga", hero } };
}

/** LINE's own carousel where the cards fit into it, else one of flex bubbles, which show a price and longer texts. */
function imageCards(template: Template, cards: readonly CarouselItem[], mark: Mark): Message {
  const actions = cards.map((card, index) => cardAction(template, card, index, mark));
  if (fitCarousel(cards)) {
    const columns = cards.map(({ image_url: url, title, description }, index): messagingApi.CarouselColumn => {
      const action = actions.slice(index, index + 1);
      const [defaultAction] = action;
      return {
        thumbnailImageUrl: encodedUrl(url),
        ...(isText(title) && { title }),
        text: description ?? "",
        ...(defaultAction && { defaultAction }),
        actions: action,
      };
    });
    return { type: "template", altText: altText(template), template: { type: "carousel", columns } };
  }
  const contents = cards.map((card, index) => cardBubble(card, actions.slice(index, index + 1)));
  return { type: "flex", altText: altText(template), contents: { type: "carousel", contents } };
}

/** Every column needs a text, a title only when all have one; each has an image and one action. */
function fitCarousel(cards: readonly CarouselItem[]): boolean {
  const { columns, title: mostOfTitle, textBesideImage } = lineLimits.carousel;
  const titled = cards.filter(({ title }) => isText(title)).length;
  if (cards.length > columns || (titled > 0 && titled < cards.length)) return false;
  return cards.every(({ title, description, price }) => {
    if (price !== undefined && price !== null) return false;
    return (
      isText(description) && fitsGraphemes(description, textBesideImage) && fitsGraphemes(title ?? "", mostOfTitle)
    );
  });
}

function cardBubble(card: CarouselItem, actions: readonly Action[]): messagingApi.FlexBubble {
  const [action] = actions;
  const image = { type: "image", url: encodedUrl(card.image_url), size: "full", aspectRatio: "20:13" } as const;
  const texts: messagingApi.FlexText[] = [];
  if (isText(card.title)) texts.push({ type: "text", text: card.title, weight: "bold", size: "lg", wrap: true });
  if (isText(card.description)) texts.push({ type: "text", text: card.description, size: "sm", wrap: true });
  if (card.price !== undefined && card.price !== null) {
    texts.push({ type: "text", text: priceOf(card.price), weight: "bold", color: "#C8102E" });
  }
  return {
    type: "bubble",
    hero: { ...image, aspectMode: "cover", ...(action && { action }) },
    ...(texts.length > 0 && { body: vertical(texts) }),
    footer: vertical(actions.map((button) => ({ type: "button", height: "sm", style: "link", action: button }))),
  };
}

function cardAction(template: Template, card: CarouselItem, index: number, mark: Mark): Action {
  const place = { kind: "item", index, itemId: card.id ?? null, url: urlOf(card.action_url) } as const;
  const says = isText(card.title) ? card.title : cardLabel;
  return mark({ ...place, tagIds: tagsOf(card.interaction_tag_id, template) }, cardLabel, says);
}

function vertical(contents: messagingApi.FlexComponent[]): messagingApi.FlexBox {
  return { type: "box", layout: "vertical", spacing: "sm", contents };
}

/** `NT$3,200`, `NT$99.5` */
function priceOf(price: number | string): string {
  return `NT$${Number(price).toLocaleString("en-US", { maximumFractionDigits: 2 })}`;
}

function altText(template: Template): string {
  const titles = cardsOf(template).map(({ title }) => title);
  const all = [template.notification_text, template.preview_text, template.content, ...titles, template.name];
  return clip(all.find(isText) ?? anyMessage, lineLimits.altText);
}

function urlOf(url: string | null | undefined): string | null {
  return url ? encodedUrl(url) : null;
}

function tagsOf(own: number | null | undefined, { interaction_tag_id: shared }: Template): number[] {
  return [...new Set([own, shared].filter((id) => typeof id === "number"))];
}

function isText(text: string | null | undefined): text is string {
  return typeof text === "string" && text.trim() !== "";
}
