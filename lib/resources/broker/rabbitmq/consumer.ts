/** One consumer of one queue: a channel of its own on every connection, so that draining it disturbs nobody else. */
import type { Channel, ChannelModel, ConsumeMessage, Message } from "amqplib";
import type { Consumer, Delivery, Outcome } from "../../../../runtime/broker.ts";
import type { Logger } from "../../../../runtime/context.ts";
import { attemptOf, createInflight, decode, pause } from "../deliveries.ts";

/** How long a message rests that could not be handled, before it is delivered again. */
const redeliverAfterMs = 1000;

/** What makes another message of a delivery. */
export type PassedOn = Exclude<Outcome, { kind: "done" } | { kind: "requeue"; at: "front" }>;

export interface RabbitConsumerOptions {
  queue: string;
  concurrency: number;
  handle: (delivery: Delivery) => Promise<Outcome>;
  /** Passes the message on as the outcome says. Resolves once RabbitMQ has it: only then is the delivery acknowledged. */
  passOn: (queue: string, outcome: PassedOn, attempt: number, raw: ConsumeMessage) => Promise<void>;
  /** Called when the channel was lost though the connection may be fine, or could not be opened. */
  onLost: (error?: unknown) => void;
  onDrained: () => void;
  closing: AbortSignal;
  log: Logger;
}

export interface RabbitConsumer extends Consumer {
  readonly queue: string;
  readonly active: number;
  /** Starts to consume on this connection unless it does already. Never rejects: a failure goes to `onLost`. */
  attach(connection: ChannelModel): Promise<void>;
}

export function createConsumer(options: RabbitConsumerOptions): RabbitConsumer {
  const { queue, log } = options;
  const inflight = createInflight();
  let current: { channel: Channel; consumerTag: string } | undefined;
  let attaching: Promise<void> = Promise.resolve();
  let stopping: Promise<void> | undefined;
  let draining: Promise<void> | undefined;

  async function openChannel(connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    let isOpen = true;
    channel.on("error", (error: Error) => log.warn({ queue, err: error }, "RabbitMQ closed a consumer's channel"));
    channel.on("close", () => {
      isOpen = false;
      if (current?.channel !== channel) return;
      current = undefined;
      if (!stopping) options.onLost();
    });
    await channel.prefetch(options.concurrency);
    const { consumerTag } = await channel.consume(queue, (raw) => {
      // RabbitMQ itself cancelled: the queue was deleted, or its node is going away.
      if (raw === null) return void channel.close().catch(() => {});
      if (stopping) return channel.nack(raw, false, true);
      inflight.run(async () => {
        const accepted = await deliver(raw, () => isOpen);
        // The channel that delivered is the only one that may answer. Once it is closed, RabbitMQ delivers again anyway.
        if (!isOpen) return;
        if (accepted) channel.ack(raw);
        else channel.nack(raw, false, true);
      });
    });
    if (!isOpen) throw new Error("The channel closed while it was opened");
    current = { channel, consumerTag };
  }

  /** True when the message is done with here, false when it must be delivered again. */
  async function deliver(raw: ConsumeMessage, isOpen: () => boolean): Promise<boolean> {
    try {
      const delivery = read(raw);
      const outcome: Outcome =
        "fault" in delivery ? { kind: "dead", reason: delivery.fault } : await options.handle(delivery);
      // With its channel closed the message is already on its way to another consumer: passing it on would double it.
      if (outcome.kind === "requeue" && outcome.at === "front") return false;
      if (outcome.kind !== "done" && isOpen()) {
        await options.passOn(queue, outcome, attemptOf(raw.properties.headers?.["x-attempt"]), raw);
      }
      return true;
    } catch (error) {
      log.error({ queue, err: error }, "A delivery failed and is repeated");
      await pause(redeliverAfterMs, options.closing);
      return false;
    }
  }

  function stop(): Promise<void> {
    stopping ??= (async () => {
      await attaching;
      // Fails only when the channel is lost, and then nothing new arrives either.
      await current?.channel.cancel(current.consumerTag).catch(() => {});
    })();
    return stopping;
  }

  return {
    queue,
    get active() {
      return inflight.size;
    },
    attach(connection) {
      attaching = attaching
        .then(() => (stopping || current ? undefined : openChannel(connection)))
        .catch(options.onLost);
      return attaching;
    },
    stop,
    drain() {
      draining ??= (async () => {
        await stop();
        await inflight.idle();
        const open = current;
        // Closing waits for RabbitMQ's answer, which comes after it has seen the acknowledgements.
        await open?.channel.close().catch(() => {});
        options.onDrained();
      })();
      return draining;
    },
  };
}

/** What a consumer is given of a message. */
export function read(raw: Pick<Message, "content" | "properties">): Delivery | { fault: string } {
  const decoded = decode(raw.content.toString("utf8"));
  if ("fault" in decoded) return decoded;
  const headers: Record<string, unknown> = raw.properties.headers ?? {};
  const delivery: Delivery = { message: decoded.message, attempt: attemptOf(headers["x-attempt"]) };
  const traceparent = headers["traceparent"];
  if (typeof traceparent === "string") delivery.traceparent = traceparent;
  const reason = headers["x-reason"] ?? givenUpByRabbit(headers["x-death"]);
  if (typeof reason === "string") delivery.reason = reason;
  return delivery;
}

/** RabbitMQ notes every queue that a message left by dead-lettering; waiting in a retry queue is noted as `expired`. */
function givenUpByRabbit(deaths: unknown): string | undefined {
  const limited =
    Array.isArray(deaths) && deaths.some((death: { reason?: unknown }) => death.reason === "delivery_limit");
  return limited ? "delivered too often without an acknowledgement" : undefined;
}
