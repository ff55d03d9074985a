/** A template as the JSON of LINE's messages: written once, with only the links filled in for each member. Pure. */
import type { messagingApi } from "@line/bot-sdk";
import { lineLimits } from "./line-limits.ts";
import { messagesOf } from "./messages.ts";
import type { Destination, Link, LinkPlace, Template } from "./template.ts";
import { clip } from "./text.ts";

export interface PreparedTemplate {
  /** Everything that can be tapped, in order. */
  readonly places: readonly LinkPlace[];
  /**
   * The messages for somebody: what `Line` takes as `messages`. Asks once for each place.
   * Throws when a link is longer than LINE takes.
   */
  json(link: Link): { json: string };
  /** The same as objects, for a preview. */
  messages(link: Link): messagingApi.Message[];
}

/** A piece of JSON, or the action of a place. */
type Piece = string | Slot;
interface Slot {
  place: number;
  /** The beginnings of its action, up to where it leads. */
  uri: string;
  postback: string;
}

/** Prepares a template that has no faults (`templateFaults`). What it gives for others is not told. */
export function prepareTemplate(template: Template): PreparedTemplate {
  const places: LinkPlace[] = [];
  const slots = new Map<object, Slot>();
  const messages = messagesOf(template, (place, label, says) => {
    const action: messagingApi.Action = { type: "uri" };
    const text = JSON.stringify(label);
    const shown = JSON.stringify(clip(says, lineLimits.displayText));
    slots.set(action, {
      place: places.push(place) - 1,
      uri: `{"type":"uri","label":${text},"uri":`,
      postback: `{"type":"postback","label":${text},"displayText":${shown},"data":`,
    });
    return action;
  });
  const pieces = joined([...piecesOf(messages, slots)]);

  function json(link: Link): string {
    const destinations = places.map((place) => checked(link(place)));
    let text = "";
    for (const piece of pieces) text += typeof piece === "string" ? piece : filled(piece, destinations[piece.place]);
    return text;
  }
  return {
    places,
    json: (link) => ({ json: json(link) }),
    messages: (link) => JSON.parse(json(link)) as messagingApi.Message[],
  };
}

/** The messages of a template for somebody. For many, prepare it once. */
export function renderTemplate(template: Template, link: Link): messagingApi.Message[] {
  return prepareTemplate(template).messages(link);
}

/** JSON in pieces: what has a slot is left open. */
function* piecesOf(value: unknown, slots: ReadonlyMap<object, Slot>): Generator<Piece> {
  if (typeof value !== "object" || value === null) return yield JSON.stringify(value);
  const slot = slots.get(value);
  if (slot) return yield slot;
  const isArray = Array.isArray(value);
  let separator = isArray ? "[" : "{";
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    yield isArray ? separator : `${separator}${JSON.stringify(key)}:`;
    yield* piecesOf(item, slots);
    separator = ",";
  }
  yield isArray ? (separator === "[" ? "[]" : "]") : separator === "{" ? "{}" : "}";
}

/** With neighbouring texts as one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = [];
  let text = "";
  for (const piece of pieces) {
    if (typeof piece === "string") text += piece;
    else {
      all.push(text, piece);
      text = "";
    }
  }
  return [...all, text];
}

function filled({ uri, postback }: Slot, destination: Destination | undefined): string {
  if (!destination) throw new Error("a place has no destination");
  if ("uri" in destination) return `${uri}${JSON.stringify(destination.uri)}}`;
  return `${postback}${JSON.stringify(destination.data)}}`;
}

function checked(destination: Destination): Destination {
  const [length, most] =
    "uri" in destination
      ? [destination.uri.length, lineLimits.uri]
      : [destination.data.length, lineLimits.postbackData];
  if (length > most) throw new RangeError(`a link has ${length} characters; LINE takes ${most}`);
  return destination;
}
