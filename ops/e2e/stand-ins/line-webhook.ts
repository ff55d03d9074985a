/** What LINE sends to a webhook: events in its shapes, signed. */
import { createHmac, randomBytes } from "node:crypto";

export type LineEvent = Record<string, unknown>;

/** A user of LINE, whose deeds become events. */
export interface LineUser {
  readonly id: string;
  follow(): LineEvent;
  /** Blocks the account. */
  unfollow(): LineEvent;
  says(text: string): LineEvent;
  sends(type: "image" | "sticker" | "video" | "audio" | "file"): LineEvent;
  taps(data: string): LineEvent;
}

let lastId = 460_000_000_000_000_000n;

/** The id of a user of LINE. `number` gives always the same. */
export function lineUserId(number?: number): string {
  return `U${number === undefined ? randomBytes(16).toString("hex") : number.toString(16).padStart(32, "0")}`;
}

/** `replyToken`: the stand-in's, so that it takes the replies. */
export function lineUser(
  id = lineUserId(),
  replyToken: (userId: string) => string = () => randomBytes(16).toString("hex"),
): LineUser {
  const event = (type: string, more: LineEvent): LineEvent => ({
    type,
    mode: "active",
    timestamp: Date.now(),
    source: { type: "user", userId: id },
    webhookEventId: ulid(Date.now()),
    deliveryContext: { isRedelivery: false },
    ...more,
  });
  const message = (content: LineEvent) =>
    event("message", { replyToken: replyToken(id), message: { id: String(++lastId), ...content } });
  return {
    id,
    follow: () => event("follow", { replyToken: replyToken(id), follow: { isUnblocked: false } }),
    unfollow: () => event("unfollow", {}),
    says: (text) => message({ type: "text", text, quoteToken: randomBytes(8).toString("hex") }),
    sends: (type) => message({ type, contentProvider: { type: "line" } }),
    taps: (data) => event("postback", { replyToken: replyToken(id), postback: { data } }),
  };
}

/** The same event once more, as LINE repeats it after an answer that was not 2xx. */
export function redelivered(event: LineEvent): LineEvent {
  return { ...event, deliveryContext: { isRedelivery: true } };
}

export function signWebhook(body: string, secret: string): string {
  return createHmac("sha256", secret).update(body).digest("base64");
}

export interface Webhook {
  /** `…/webhooks/line` */
  url: string;
  secret: string;
  /** In place of the right one; null: none. */
  signature?: string | null;
}

/** Sends events in one webhook, without any to confirm that it can be reached, and returns the answer. */
export async function sendWebhook({ url, secret, signature }: Webhook, ...events: LineEvent[]): Promise<Response> {
  const body = JSON.stringify({ destination: lineUserId(0xb07), events });
  const signed = signature === undefined ? signWebhook(body, secret) : signature;
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "LineBotWebhook/2.0",
    ...(signed !== null && { "x-line-signature": signed }),
  };
  return await fetch(url, { method: "POST", headers, body });
}

const base32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** LINE's form of an event's id: https://github.com/ulid/spec */
function ulid(now: number): string {
  let time = "";
  for (let left = now; time.length < 10; left = Math.floor(left / 32)) time = (base32[left % 32] ?? "0") + time;
  return time + Array.from(randomBytes(16), (byte) => base32[byte % 32]).join("");
}
