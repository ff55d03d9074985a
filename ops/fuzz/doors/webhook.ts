/** LINE's webhook, rightly signed: so that what is spoilt gets past the door. */
import { createHmac, randomUUID } from "node:crypto";
import type { System } from "../../e2e/system.ts";
import type { Random } from "../../harness/random.ts";
import type { Findings } from "../findings.ts";
import { Connections } from "../http.ts";
import { flipped } from "../requests.ts";
import { nested, spoilt } from "../values.ts";

export interface WebhookFuzz {
  system: System;
  secret: string;
  random: Random;
  count: number;
  findings: Findings;
  tell(line: string): void;
}

export async function fuzzWebhook({ system, secret, random, count, findings, tell }: WebhookFuzz): Promise<void> {
  tell(`${count} bodies of the webhook …`);
  const connections = new Connections(system.port);
  let sent = 0;
  const one = async () => {
    while (sent < count) {
      sent++;
      const body = bodyOf(random);
      const signature = createHmac("sha256", secret).update(body).digest("base64");
      const head = [
        "POST /webhooks/line HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        `X-Line-Signature: ${random.percent(95) ? signature : "x"}`,
      ];
      const bytes = Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
      const { statuses, overdue } = await connections.exchange(bytes, 1);
      if (overdue) findings.add("no answer", "the webhook", body);
      const [status = 0] = statuses;
      if (status >= 500 && status !== 503) findings.add(String(status), "the webhook", body);
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
  connections.close();
}

function bodyOf(random: Random): Buffer {
  const events = Array.from({ length: random.between(0, 4) }, () => eventOf(random));
  const value = { destination: "Uxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", events };
  if (random.percent(2)) return Buffer.from(nested(random));
  const body = Buffer.from(JSON.stringify(random.percent(70) ? spoilt(value, random) : value) ?? "");
  return random.percent(15) ? flipped(body, random) : body;
}

function eventOf(random: Random): unknown {
  const common = {
    mode: "active",
    timestamp: Date.now() - random.between(0, 1e6),
    source: { type: "user", userId: `U${random.between(0, 20).toString(16).padStart(32, "0")}` },
    webhookEventId: random.percent(80) ? randomUUID() : "01HZZZZZZZZZZZZZZZZZZZZZZZ",
    deliveryContext: { isRedelivery: random.percent(20) },
    replyToken: randomUUID(),
  };
  const particular = random.pick<Record<string, unknown>>([
    { type: "follow", follow: { isUnblocked: false } },
    { type: "unfollow" },
    { type: "message", message: { id: "1", type: "text", quoteToken: "q", text: "優惠" } },
    { type: "message", message: { id: "2", type: "image", contentProvider: { type: "line" } } },
    { type: "message", message: { id: "3", type: "sticker", packageId: "1", stickerId: "2" } },
    { type: "postback", postback: { data: "v1.AAAA.BBBB", params: { date: "2026-11-27" } } },
    { type: "join" },
    { type: "nothing that is known" },
  ]);
  const event = { ...common, ...particular };
  return random.percent(40) ? spoilt(event, random) : event;
}
