/** Takes chosen messages out of the middle of a queue, which AMQP knows no command for. */
import type { Channel, ChannelModel, GetMessage } from "amqplib";
import { read } from "./consumer.ts";
import type { Headers } from "./publisher.ts";

/** Looked at together, so that whoever decides can ask for many at once. */
const batchSize = 100;

export interface Taking {
  wanted: (message: unknown) => boolean | Promise<boolean>;
  /** Publishes to the queue's end. Resolves once RabbitMQ has it. */
  putBack: (content: Buffer, headers: Headers) => Promise<void>;
}

/**
 * Gets what is in the queue now, one message after the other: the wanted ones are acknowledged, the others are published
 * again behind the rest, and only then acknowledged. Returning them instead would count as a failed delivery: RabbitMQ 4
 * gives a message up after 20 of those.
 */
export async function takeFrom(connection: ChannelModel, queue: string, { wanted, putBack }: Taking): Promise<number> {
  const channel = await connection.createChannel();
  // The operation that it fails carries the reason.
  channel.on("error", () => {});
  let taken = 0;
  try {
    let left = (await channel.checkQueue(queue)).messageCount;
    while (left > 0) {
      const batch = await get(channel, queue, Math.min(left, batchSize));
      left = batch.length === 0 ? 0 : left - batch.length;
      const verdicts = await Promise.all(batch.map(async (raw) => isWanted(raw, wanted)));
      for (const [index, raw] of batch.entries()) {
        if (verdicts[index]) taken++;
        else await putBack(raw.content, headersOf(raw));
        channel.ack(raw);
      }
    }
    return taken;
  } finally {
    // What has not been acknowledged goes back to its place. Closing fails only where the channel is lost, with that effect.
    await channel.close().catch(() => {});
  }
}

async function get(channel: Channel, queue: string, most: number): Promise<GetMessage[]> {
  const batch: GetMessage[] = [];
  while (batch.length < most) {
    const raw = await channel.get(queue);
    if (raw === false) break;
    batch.push(raw);
  }
  return batch;
}

/** What is not of this broker stays: somebody should look at it. */
async function isWanted(raw: GetMessage, wanted: Taking["wanted"]): Promise<boolean> {
  const delivery = read(raw);
  return !("fault" in delivery) && (await wanted(delivery.message));
}

/** RabbitMQ's own headers (`x-death`) are lists and tables, and do not survive being published: their reason is kept. */
function headersOf(raw: GetMessage): Headers {
  const given: Record<string, unknown> = raw.properties.headers ?? {};
  const headers: Headers = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "string" || typeof value === "number") headers[name] = value;
  }
  delete headers["x-delivery-count"];
  const delivery = read(raw);
  if (!("fault" in delivery) && delivery.reason !== undefined) headers["x-reason"] = delivery.reason;
  return headers;
}
