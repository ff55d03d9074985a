/** The mail queue, as if something else wrote to it. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "amqplib";
import type { Random } from "../../harness/random.ts";
import { flipped } from "../requests.ts";
import { nested, spoilt } from "../values.ts";

export interface QueueFuzz {
  url: string;
  random: Random;
  count: number;
  tell(line: string): void;
}

/** What is no message is dead-lettered or dropped by the consumer; it must neither end it nor come back for ever. */
export async function fuzzQueue({ url, random, count, tell }: QueueFuzz): Promise<void> {
  tell(`${count} messages of the queue …`);
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  for (let sent = 0; sent < count; sent++) {
    const good = { mail_id: randomUUID(), bytes: random.between(0, 1000) };
    const value = random.percent(70) ? spoilt(good, random) : good;
    const text = Buffer.from(random.percent(3) ? nested(random) : (JSON.stringify(value) ?? ""));
    const content = random.percent(20) ? flipped(text, random) : text;
    const headers = random.percent(30) ? { attempt: random.pick<unknown>([0, -1, 1e15, "x", true]) } : { attempt: 1 };
    channel.sendToQueue("mail-queue", content, { headers, persistent: random.percent(50) });
  }
  await channel.waitForConfirms();
  for (let left = 1; left > 0; left = (await channel.checkQueue("mail-queue")).messageCount) await pause(200);
  await connection.close();
}
