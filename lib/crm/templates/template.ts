/**
 * A message that is written once and sent to many. Its fields have the names that they have on the wire and in the
 * `buttons` column.
 */

export const templateTypes = ["text", "text_button", "image_click", "image_card"] as const;
export type TemplateType = (typeof templateTypes)[number];

type Optional<T> = T | null | undefined;

export interface TemplateButton {
  label: string;
  /** Without it, the button is a postback. */
  action_url?: Optional<string>;
  interaction_tag_id?: Optional<number>;
}

/** A card of `image_card`, or the picture of `image_click`. */
export interface CarouselItem {
  id?: Optional<number>;
  image_url: string;
  title?: Optional<string>;
  description?: Optional<string>;
  /** PostgreSQL gives decimals as text. */
  price?: Optional<number | string>;
  /** Without it, the card is a postback. */
  action_url?: Optional<string>;
  interaction_tag_id?: Optional<number>;
  sort_order?: Optional<number>;
}

export interface Template {
  type: TemplateType;
  name?: Optional<string>;
  content?: Optional<string>;
  buttons?: Optional<readonly TemplateButton[]>;
  /** What LINE shows in its notification and its list of chats. */
  notification_text?: Optional<string>;
  /** Stands in for `notification_text` where there is none. */
  preview_text?: Optional<string>;
  /** Added with every interaction, beside the tag of the button or card. */
  interaction_tag_id?: Optional<number>;
  /** The client's own, kept as it is. */
  interaction_result?: Optional<Record<string, unknown>>;
  carousel_items?: Optional<readonly CarouselItem[]>;
}

/** Something that can be tapped. One place has one destination, though it may be shown twice (a picture and its button). */
export interface LinkPlace {
  kind: "button" | "item";
  /** Of the button or card, in the order in which the template shows them, from 0. */
  index: number;
  /** Of the card, where it has been saved. */
  itemId: number | null;
  /** Where it leads to; null for a postback. */
  url: string | null;
  /** To be added by the tap: that of the button or card, then that of the template. */
  tagIds: readonly number[];
}

/** `uri`: ≤ 1,000 characters; `data` (a postback): ≤ 300. */
export type Destination = { uri: string } | { data: string };

/** Says where a place leads to: the place's own address, a signed link of one member, a postback. */
export type Link = (place: LinkPlace) => Destination;
