/** The queues and exchanges that a declaration stands for. Everything is durable and replicated (quorum queues). */
import type { Channel, ChannelModel } from "amqplib";
import type { QueueDeclaration } from "../../../../runtime/broker.ts";
import { messageOf } from "../deliveries.ts";

export const deadLetterExchange = "dlx";

/**
 * How often a delivery may come back unacknowledged (its consumer died, or threw) before RabbitMQ itself moves the message to
 * the dead letter queue. Without a limit, a message that kills its consumer would kill them all, for ever.
 */
const deliveryLimit = 20;

/** `retry-queue.2s`: the queue, and the exchange in front of it, where every queue's messages wait for 2 seconds. */
export function retryName(prefix: string, delayMs: number): string {
  return delayMs % 1000 === 0 ? `${prefix}.${delayMs / 1000}s` : `${prefix}.${delayMs}ms`;
}

/**
 * Creates what is missing. Throws a plain sentence when something of that name has other properties.
 *
 * A retry queue gives its messages to the default exchange when their time is up. That routes by the routing key, which is
 * still the name of the queue that they were published for: hence a fanout exchange in front, which ignores the key.
 * Dead-lettering is "at least once" (RabbitMQ 3.10): the default would lose a message whose target is away for a moment.
 */
export async function assertTopology(
  connection: ChannelModel,
  queues: readonly QueueDeclaration[],
  retryQueueName: string,
): Promise<void> {
  const channel = await connection.createChannel();
  // A refused declaration closes the channel: its own promise carries the reason.
  channel.on("error", () => {});
  const deadLetters = new Set(queues.flatMap((queue) => queue.deadLetter ?? []));
  const delays = new Set(queues.flatMap((queue) => queue.retryDelaysMs));

  if (deadLetters.size > 0) {
    await orSentence(`Exchange "${deadLetterExchange}"`, channel.assertExchange(deadLetterExchange, "direct"));
  }
  for (const name of deadLetters) {
    await assertQueue(channel, name, {});
    await channel.bindQueue(name, deadLetterExchange, name);
  }
  for (const delayMs of delays) {
    const name = retryName(retryQueueName, delayMs);
    await assertQueue(channel, name, { "x-message-ttl": delayMs, ...deadLetterTo({ "x-dead-letter-exchange": "" }) });
    await orSentence(`Exchange "${name}"`, channel.assertExchange(name, "fanout"));
    await channel.bindQueue(name, name, "");
  }
  for (const { name, deadLetter } of queues) {
    if (deadLetters.has(name)) continue;
    await assertQueue(channel, name, deadLetter === undefined ? {} : mainQueue(deadLetter));
  }
  await channel.close();
}

function mainQueue(deadLetter: string): Record<string, unknown> {
  return {
    ...deadLetterTo({ "x-dead-letter-exchange": deadLetterExchange, "x-dead-letter-routing-key": deadLetter }),
    "x-delivery-limit": deliveryLimit,
  };
}

function deadLetterTo(target: Record<string, string>): Record<string, unknown> {
  return { ...target, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" };
}

async function assertQueue(channel: Channel, name: string, args: Record<string, unknown>): Promise<void> {
  const declared = channel.assertQueue(name, { durable: true, arguments: { "x-queue-type": "quorum", ...args } });
  await orSentence(`Queue "${name}"`, declared);
}

/** 406 is RabbitMQ's word for "exists, and differs". Its message says in what. */
async function orSentence(what: string, declared: Promise<unknown>): Promise<void> {
  try {
    await declared;
  } catch (error) {
    if (!isRefused(error)) throw error;
    const difference = /PRECONDITION_FAILED - ([^"]*)/.exec(messageOf(error))?.[1] ?? messageOf(error);
    throw new DeclarationRefused(
      `${what} exists in RabbitMQ with other properties (${difference}). ` +
        `Delete it there once nothing in it is needed, and it is created anew; or declare another name.`,
      { cause: error },
    );
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === 406;
}

/** A queue or exchange of that name exists, and differs. Only an operator can decide what to do with what it holds. */
export class DeclarationRefused extends Error {
  override readonly name = "DeclarationRefused";
}
