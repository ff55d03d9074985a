/** What LINE's webhook brings, as far as the CRM acts on it. Pure. https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects */
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";

export const eventTypes = ["follow", "unfollow", "message", "postback"] as const;
export type EventType = (typeof eventTypes)[number];

/** What is kept of an event until it has been handled. */
export interface EventContent {
  /** Answers the event once, for about a minute. */
  replyToken?: string;
  /** Another module has the conversation: it is not ours to answer. */
  isStandby?: true;
  message?: { type: string; text: string };
  postback?: { data: string };
}

/** A row of `line_events`, as it is inserted. */
export interface ReceivedEvent {
  event_id: string;
  type: EventType;
  line_uid: string;
  /** ISO 8601. */
  occurred_at: string;
  content: EventContent;
}

const Event = Type.Object({
  type: Type.Enum(eventTypes),
  webhookEventId: Type.String({ minLength: 1, maxLength: 64 }),
  timestamp: Type.Integer(),
  // What is said in a group is not said to the hotel.
  source: Type.Object({ type: Type.Literal("user"), userId: Type.String({ minLength: 1, maxLength: 100 }) }),
  mode: Type.Optional(Type.String()),
  replyToken: Type.Optional(Type.String({ maxLength: 200 })),
  message: Type.Optional(Type.Unknown()),
  postback: Type.Optional(Type.Object({ data: Type.String() })),
});

const Message = Type.Object({
  type: Type.String({ maxLength: 30 }),
  text: Type.Optional(Type.String()),
  keywords: Type.Optional(Type.Array(Type.String())),
  fileName: Type.Optional(Type.String()),
  title: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
});

/** LINE's own limits: of a text, of a postback's data. */
const mostText = 5000;
const mostData = 300;

/**
 * The events that are acted on. All others are left out, whatever they look like: LINE asks to expect new kinds at any
 * time. Events of accounts in standby are another module's to answer, but say as much about a member.
 */
export function eventsOf(events: readonly unknown[], now: Date): ReceivedEvent[] {
  return events.flatMap((event) => {
    if (!Value.Check(Event, event)) return [];
    const { type, webhookEventId, timestamp, source, replyToken, mode } = event;
    const content: EventContent = {};
    if (mode === "standby") content.isStandby = true;
    if (replyToken !== undefined) content.replyToken = plain(replyToken);
    if (type === "message") content.message = messageOf(event.message);
    if (type === "postback") content.postback = { data: plain(event.postback?.data ?? "").slice(0, mostData) };
    return [
      {
        event_id: plain(webhookEventId),
        type,
        line_uid: plain(source.userId),
        occurred_at: timeOf(timestamp, now).toISOString(),
        content,
      },
    ];
  });
}

/** What is written of a message: its text, or what it was. Pictures, files and the like are not fetched. */
function messageOf(message: unknown): { type: string; text: string } {
  if (!Value.Check(Message, message)) return { type: "unknown", text: "[訊息]" };
  return { type: plain(message.type), text: plain(describe(message)).slice(0, mostText).toWellFormed() };
}

function describe(message: Static<typeof Message>): string {
  switch (message.type) {
    case "text":
      return message.text ?? "";
    case "image":
      return "[圖片]";
    case "video":
      return "[影片]";
    case "audio":
      return "[語音]";
    case "sticker":
      return ["[貼圖]", message.keywords?.[0]].filter(Boolean).join(" ");
    case "file":
      return ["[檔案]", message.fileName].filter(Boolean).join(" ");
    case "location":
      return ["[位置]", message.title, message.address].filter(Boolean).join(" ");
    default:
      return "[訊息]";
  }
}

const dayMs = 24 * 60 * 60 * 1000;
/** LINE began in June 2011. */
const earliest = Date.UTC(2011, 5);

/** A time that cannot be is taken for now: it would go before, or after, all others for ever. */
function timeOf(timestamp: number, now: Date): Date {
  return timestamp >= earliest && timestamp <= now.getTime() + dayMs ? new Date(timestamp) : now;
}

/** PostgreSQL takes no NUL and no half of a character. */
function plain(text: string): string {
  return text.replaceAll("\u0000", "").toWellFormed();
}
