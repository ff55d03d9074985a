/** Publishing with a promise that means something: resolved is on disk, rejected is said at once, and nothing is kept back. */
import { randomUUID } from "node:crypto";
import type { ConfirmChannel } from "amqplib";

export type Headers = Record<string, string | number>;

export interface Publisher {
  /** Resolves when RabbitMQ has confirmed; rejects when it refused, no queue took it, the channel closed, or time is up. */
  publish(exchange: string, routingKey: string, content: Buffer, headers: Headers): Promise<void>;
}

/**
 * The connection manager's own channel wrapper is not used for this: while RabbitMQ is away it keeps messages in memory and
 * sends them later, also those whose publisher has been told that they failed.
 */
export function createPublisher(channel: ConfirmChannel, timeoutMs: number): Publisher {
  /** In the order of publishing, and so of their deadlines. */
  const pending = new Map<string, { deadline: number; settle(error?: Error): void }>();
  const prefix = randomUUID();
  let count = 0;

  // One timer for all: one for each message costs as much as encoding it.
  const overdue = setInterval(() => {
    const now = performance.now();
    for (const { deadline, settle } of pending.values()) {
      if (deadline > now) break;
      settle(new Error(`RabbitMQ did not confirm within ${timeoutMs} ms`));
    }
  }, timeoutMs / 20).unref();
  channel.on("close", () => {
    clearInterval(overdue);
    for (const { settle } of pending.values()) settle(new Error("The connection to RabbitMQ is closed"));
  });

  // A message that no queue takes comes back before its confirmation.
  channel.on("return", ({ fields, properties }) => {
    const name = "routingKey" in fields ? String(fields.routingKey) : "";
    const error = new Error(`RabbitMQ has no queue for "${name}". Has it been declared?`);
    pending.get(String(properties.messageId))?.settle(error);
  });

  return {
    publish(exchange, routingKey, content, headers) {
      return new Promise((resolve, reject) => {
        const messageId = `${prefix}-${(count++).toString(36)}`;
        const settle = (error?: Error) => {
          if (!pending.delete(messageId)) return;
          if (error) reject(error);
          else resolve();
        };
        pending.set(messageId, { deadline: performance.now() + timeoutMs, settle });
        const properties = { persistent: true, mandatory: true, contentType: "application/json", messageId, headers };
        try {
          channel.publish(exchange, routingKey, content, properties, (error: unknown) =>
            settle(error ? new Error("RabbitMQ did not take the message", { cause: error }) : undefined),
          );
        } catch (error) {
          settle(new Error("The connection to RabbitMQ is closed", { cause: error }));
        }
      });
    },
  };
}
