/** The broker on RabbitMQ (3.10 or later), for production: durable quorum queues, publisher confirms, one channel per consumer. */
import { connect } from "amqp-connection-manager";
import type { ChannelModel } from "amqplib";
import type { Broker, QueueDeclaration } from "../../../runtime/broker.ts";
import type { Logger } from "../../../runtime/context.ts";
import { encode, messageOf, pause } from "./deliveries.ts";
import { createConsumer, type RabbitConsumer, type RabbitConsumerOptions } from "./rabbitmq/consumer.ts";
import { createPublisher, type Headers, type Publisher } from "./rabbitmq/publisher.ts";
import { takeFrom } from "./rabbitmq/take.ts";
import { assertTopology, deadLetterExchange, DeclarationRefused, retryName } from "./rabbitmq/topology.ts";

export interface RabbitBrokerOptions {
  /** `amqp://user:password@host:5672/vhost`, or `amqps:`. */
  url: string;
  /** The retry queues are named after it and their delay: `retry-queue.1s`. All queues share them. */
  retryQueueName?: string;
  log: Logger;
}

const heartbeatSeconds = 5;
const reconnectSeconds = 1;
/** A connection that RabbitMQ accepted but whose queues it refused: how long until they are tried again. */
const repairMs = 2000;
const publishTimeoutMs = 5000;
/** How long opening waits for the first connection, and closing for the last. */
const openingMs = 2000;
const closingMs = 800;

/**
 * Resolves when connected, or after a short while without: then it goes on connecting in the background, once a second,
 * for as long as it is open. Never rejects for a RabbitMQ that is away.
 *
 * - `declare` rejects with a plain sentence when a queue exists with other properties. While RabbitMQ is away it resolves, and
 *   is done on connecting; a refusal is then logged, `isConnected()` stays false, and it is tried again every 2 s.
 * - `publish` rejects at once while away, on the loss of the connection before the confirmation, or after 5 s.
 * - `depth().delayed` is the sum over the shared retry queues, so over all main queues; `active` is this process only.
 * - `close` drops what is in progress: RabbitMQ delivers it again. Drain first.
 */
export async function openRabbitBroker(options: RabbitBrokerOptions): Promise<Broker> {
  const { log, retryQueueName = "retry-queue" } = options;
  const declared = new Map<string, QueueDeclaration>();
  const consumers = new Set<RabbitConsumer>();
  const closing = new AbortController();
  const opened = Promise.withResolvers<void>();
  let connection: ChannelModel | undefined;
  let publisher: Publisher | undefined;
  let blocked = false;
  let lastFailure = "it has not answered yet";

  const manager = connect(options.url, {
    heartbeatIntervalInSeconds: heartbeatSeconds,
    reconnectTimeInSeconds: reconnectSeconds,
    // Without noDelay a lone small publish waits for the previous one's TCP acknowledgement, up to 40 ms.
    connectionOptions: { noDelay: true, timeout: publishTimeoutMs },
  });
  manager.on("connect", () => {
    blocked = false;
    connection = manager.connection;
    if (connection) void setUp(connection).finally(opened.resolve);
  });
  manager.on("disconnect", ({ err }) => {
    connection = publisher = undefined;
    lastFailure = err ? messageOf(err) : "the connection was closed";
    if (!closing.signal.aborted) log.warn({ reason: lastFailure }, "The connection to RabbitMQ is lost");
  });
  manager.on("connectFailed", ({ err }) => {
    const failure = messageOf(err) || err.name;
    if (failure !== lastFailure) log.warn({ reason: failure }, "RabbitMQ cannot be reached");
    lastFailure = failure;
    opened.resolve();
  });
  // An alarm (memory, disk): RabbitMQ stops reading from connections that publish.
  manager.on("blocked", ({ reason }) => {
    blocked = true;
    lastFailure = `it takes no messages now (${reason})`;
    log.warn({ reason }, "RabbitMQ takes no messages now");
  });
  manager.on("unblocked", () => {
    blocked = false;
  });

  /** Makes a fresh connection useful: queues first, then publishing and consuming. Tries again while the connection lasts. */
  async function setUp(fresh: ChannelModel): Promise<void> {
    try {
      await assertTopology(fresh, [...declared.values()], retryQueueName);
      const channel = await fresh.createConfirmChannel();
      channel.on("error", (error: Error) => log.warn({ err: error }, "RabbitMQ closed the publishing channel"));
      channel.on("close", () => {
        if (connection !== fresh) return;
        publisher = undefined;
        void repair(fresh);
      });
      if (connection !== fresh) return;
      publisher = createPublisher(channel, publishTimeoutMs);
      log.info("Connected to RabbitMQ");
      await Promise.all([...consumers].map((consumer) => consumer.attach(fresh)));
    } catch (error) {
      if (connection !== fresh || closing.signal.aborted) return;
      lastFailure = messageOf(error);
      log.error({ err: error }, lastFailure);
      void repair(fresh);
    }
  }

  async function repair(broken: ChannelModel): Promise<void> {
    await pause(repairMs, closing.signal);
    if (connection === broken && !publisher) await setUp(broken);
  }

  /** A consumer's channel went alone: its queue was deleted, or a handler took longer than RabbitMQ's consumer timeout. */
  async function reattach(consumer: RabbitConsumer, error: unknown): Promise<void> {
    const broken = connection;
    if (!broken || closing.signal.aborted) return;
    if (error) log.warn({ queue: consumer.queue, err: error }, "A consumer could not start; trying again");
    await pause(reconnectSeconds * 1000, closing.signal);
    if (connection !== broken || !publisher || !consumers.has(consumer)) return;
    try {
      await assertTopology(broken, [...declared.values()], retryQueueName);
      await consumer.attach(broken);
    } catch (again) {
      await reattach(consumer, again);
    }
  }

  async function send(exchange: string, key: string, content: Buffer, headers: Headers): Promise<void> {
    if (!publisher || blocked) throw new Error(`RabbitMQ is away: ${lastFailure}`);
    await publisher.publish(exchange, key, content, headers);
  }

  /** The exchange for a delay. Publishing to one that does not exist would close the channel for everybody. */
  function retryExchange(queue: string, delayMs: number): string {
    if (!declared.get(queue)?.retryDelaysMs.includes(delayMs)) {
      throw new Error(`Queue "${queue}" has not been declared with a delay of ${delayMs} ms`);
    }
    return retryName(retryQueueName, delayMs);
  }

  const passOn: RabbitConsumerOptions["passOn"] = async (queue, outcome, attempt, raw) => {
    const headers: Headers = {};
    const traceparent: unknown = raw.properties.headers?.["traceparent"];
    if (typeof traceparent === "string") headers["traceparent"] = traceparent;
    if (outcome.kind === "retry") {
      headers["x-attempt"] = attempt + 1;
      return send(retryExchange(queue, outcome.delayMs), queue, raw.content, headers);
    }
    if (outcome.kind === "requeue") {
      headers["x-attempt"] = attempt;
      return send("", queue, raw.content, headers);
    }
    const deadLetter = declared.get(queue)?.deadLetter;
    if (deadLetter === undefined) return log.error({ queue, attempt, reason: outcome.reason }, "A message is given up");
    return send(deadLetterExchange, deadLetter, raw.content, {
      ...headers,
      "x-attempt": attempt,
      "x-reason": outcome.reason,
      "x-origin-queue": queue,
    });
  };

  await Promise.race([opened.promise, pause(openingMs, closing.signal)]);

  return {
    driver: "rabbitmq",
    async declare(queues) {
      const target = connection;
      if (target) {
        try {
          await assertTopology(target, queues, retryQueueName);
        } catch (error) {
          if (error instanceof DeclarationRefused || connection === target) throw error;
        }
      }
      for (const queue of queues) declared.set(queue.name, queue);
      // The connection came while this declaration was on its way, so it was not among those done on connecting.
      if (connection && connection !== target) await assertTopology(connection, queues, retryQueueName);
    },
    async publish(queue, message, { attempt = 1, delayMs, traceparent } = {}) {
      const headers: Headers = { "x-attempt": attempt };
      if (traceparent !== undefined) headers["traceparent"] = traceparent;
      const exchange = delayMs === undefined ? "" : retryExchange(queue, delayMs);
      await send(exchange, queue, Buffer.from(encode(message)), headers);
    },
    async consume(queue, { concurrency }, handle) {
      const consumer: RabbitConsumer = createConsumer({
        queue,
        concurrency,
        handle,
        passOn,
        onLost: (error) => void reattach(consumer, error),
        onDrained: () => void consumers.delete(consumer),
        closing: closing.signal,
        log,
      });
      consumers.add(consumer);
      if (connection && publisher) await consumer.attach(connection);
      return consumer;
    },
    async depth(queue) {
      if (!connection) throw new Error(`RabbitMQ is away: ${lastFailure}`);
      const channel = await connection.createChannel();
      channel.on("error", () => {}); // asking for an unknown queue closes the channel; the answer says so too
      const { messageCount: ready } = await channel.checkQueue(queue);
      let delayed = 0;
      for (const delayMs of declared.get(queue)?.retryDelaysMs ?? []) {
        delayed += (await channel.checkQueue(retryName(retryQueueName, delayMs))).messageCount;
      }
      await channel.close();
      const own = [...consumers].filter((consumer) => consumer.queue === queue);
      return { ready, delayed, active: own.reduce((sum, consumer) => sum + consumer.active, 0) };
    },
    async take(queue, wanted) {
      if (!connection) throw new Error(`RabbitMQ is away: ${lastFailure}`);
      return takeFrom(connection, queue, { wanted, putBack: (content, headers) => send("", queue, content, headers) });
    },
    isConnected: () => publisher !== undefined && !blocked,
    async close() {
      closing.abort();
      connection = publisher = undefined;
      const patience = new AbortController();
      await Promise.race([manager.close().catch(() => {}), pause(closingMs, patience.signal)]);
      patience.abort();
    },
  };
}
