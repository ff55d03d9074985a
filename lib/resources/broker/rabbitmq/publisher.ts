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
  const returned = new Map<string, (error: Error) => void>();

  // A message that no queue takes comes back before its confirmation.
  channel.on("return", ({ fields, properties }) => {
    const name = "routingKey" in fields ? String(fields.routingKey) : "";
    returned.get(String(properties.messageId))?.(
      new Error(`RabbitMQ has no queue for "${name}". Has it been declared?`),
    );
  });

  return {
    publish(exchange, routingKey, content, headers) {
      return new Promise((resolve, reject) => {
        const messageId = randomUUID();
        const settle = (error?: Error) => {
          if (!returned.delete(messageId)) return;
          clearTimeout(timer);
          if (error) reject(error);
          else resolve();
        };
        const timer = setTimeout(() => settle(new Error(`RabbitMQ did not confirm within ${timeoutMs} ms`)), timeoutMs);
        returned.set(messageId, settle);
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
