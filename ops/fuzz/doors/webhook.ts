/** LINE's webhook, rightly signed: so that what is spoilt gets past the door. */
import { createHmac, randomUUID } from "node:crypto";
import type { Random } from "../../harness/random.ts";
import { flipped, framed, whole } from "../frames.ts";
import { Connections } from "../http.ts";
import type { Known } from "../known.ts";
import { Pace } from "../pace.ts";
import { nested, spoilt } from "../spoiling.ts";
import { Tally } from "../tally.ts";
import type { Done, Trial } from "./door.ts";

const target = "/webhooks/line";

export async function fuzzWebhook(trial: Trial): Promise<Done> {
  const { house, known, patience, random, limits, findings } = trial;
  const connections = new Connections(house.system.port, patience);
  const tally = new Tally();
  const pace = new Pace("bodies of the webhook", limits, trial);
  const done = await pace.run(16, async (index) => {
    const dice = random.fork(`webhook ${index}`);
    const body = bodyOf(known, dice);
    const signature = createHmac("sha256", house.lineSecret).update(body).digest("base64");
    const signed = dice.percent(95) ? signature : dice.pick(["x", "", `A${signature}`, signature.slice(1), "\xff"]);
    const headers = ["Content-Type: application/json", `X-Line-Signature: ${signed}`];
    const draft = { method: "POST", target, headers, body, what: "" };
    // Seldom wrong as bytes: that is the other routes' part.
    const { bytes, answers } = dice.percent(90) ? whole(draft) : framed(draft, dice, true);
    const { replies, overdue, before } = await connections.exchange(bytes, answers);
    for (const { status } of replies) tally.add(`POST ${target}`, status);
    if (overdue) findings.add("no answer", "the webhook", { input: body, before });
    const bad = replies.find(({ status }) => status >= 500 && status !== 503);
    if (bad) findings.add(String(bad.status), "the webhook", { input: body, before });
    if (signed !== signature && replies.some(({ status }) => status === 200))
      findings.add("let in without a signature that holds", "the webhook", { input: body, before });
  });
  connections.close();
  return { ...done, figures: tally.statuses };
}

function bodyOf(known: Known, random: Random): Buffer {
  const events = Array.from({ length: random.between(0, 4) }, () => eventOf(known, random));
  const value = { destination: "Uxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", events };
  if (random.percent(2)) return Buffer.from(nested(random));
  const body = Buffer.from(JSON.stringify(random.percent(30) ? spoilt(value, random) : value) ?? "");
  return random.percent(15) ? flipped(body, random) : body;
}

function eventOf(known: Known, random: Random): unknown {
  const again = random.percent(8) ? known.pick("event", random) : undefined;
  const id = String(again ?? randomUUID().replaceAll("-", "").slice(0, 26).toUpperCase());
  if (random.percent(5)) known.add("event", id);
  const user = `U${random.between(0, 40).toString(16).padStart(32, "0")}`;
  const common = {
    mode: random.percent(95) ? "active" : "standby",
    timestamp: Date.now() - random.between(0, 1e6),
    source: random.percent(90) ? { type: "user", userId: user } : { type: "group", groupId: "C1", userId: user },
    webhookEventId: id,
    deliveryContext: { isRedelivery: again !== undefined },
    replyToken: randomUUID().replaceAll("-", ""),
  };
  const message = (content: Record<string, unknown>) => ({
    type: "message",
    message: { id: String(random.between(1, 1e9)), quoteToken: "q", ...content },
  });
  const tap = String(known.pick("postback", random) ?? "v1.AAAA.BBBB");
  const particular = random.pick<Record<string, unknown>>([
    { type: "follow", follow: { isUnblocked: random.percent(50) } },
    { type: "unfollow" },
    message({
      type: "text",
      text: random.pick(["優惠", "hello", "ＨＥＬＬＯ", "a".repeat(5000), "😀", "\u0000", "訂房"]),
    }),
    message({ type: "image", contentProvider: { type: "line" } }),
    message({ type: "sticker", packageId: "1", stickerId: "2" }),
    message({ type: "location", title: "t", address: "a", latitude: 1e300, longitude: 1 }),
    { type: "postback", postback: { data: tap, params: { date: "2026-11-27" } } },
    { type: "unsend", unsend: { messageId: "1" } },
    { type: "join" },
    { type: "nothing that is known" },
  ]);
  const event = { ...common, ...particular };
  return random.percent(35) ? spoilt(event, random) : event;
}
