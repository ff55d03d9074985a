/** The one interface to a message broker. Drivers: `lib/resources/broker/`. The broker is transport: the database is the truth. */

/** What a queue function needs of the broker before it can consume. */
export interface QueueDeclaration {
  name: string;
  /** Delays, in milliseconds, that a `retry` outcome may ask for. */
  retryDelaysMs: readonly number[];
  /** Queue that takes what is given up. Without one, a dead message is only logged. */
  deadLetter?: string;
}

/** One message as a consumer sees it. It may be delivered more than once. */
export interface Delivery {
  /** The published JSON value. It comes from outside: check it before use. */
  message: unknown;
  /** 1 for the first try; a retry has the next number, a redelivery the same one. */
  attempt: number;
  /** Why it was given up, on a message taken from a dead letter queue. */
  reason?: string;
  /** W3C `traceparent` of the publisher, when it gave one. */
  traceparent?: string;
}

/** What the consumer decided. The driver acts on it before it acknowledges, so that a crash in between redelivers. */
export type Outcome = (
  | { kind: "done" }
  /** Deliver again with the next attempt number once `delayMs` (one of the declared delays) has passed. */
  | { kind: "retry"; delayMs: number }
  /**
   * Nothing was tried: deliver again as the same attempt, at its old place (`front`) or behind all that waits (`end`).
   * On RabbitMQ `front` counts as one of the few deliveries that a message may have without an acknowledgement.
   */
  | { kind: "requeue"; at: "front" | "end" }
  /** Move to the dead letter queue, with the reason in its header `x-reason`. */
  | { kind: "dead"; reason: string }
) & {
  /** Whom the handler called is in trouble or asks for patience: work on less at once, if others say so too. */
  ease?: boolean;
};

export interface PublishOptions {
  /** Attempt number that the consumer will see. Default 1. */
  attempt?: number;
  /** Hold back for one of the declared retry delays, in milliseconds. */
  delayMs?: number;
  traceparent?: string;
}

export interface ConsumeOptions {
  /** How many deliveries may be in hand at once; the driver prefetches no more than this. */
  concurrency: number;
}

/** One consumer. Several may consume one queue, in one process or many. */
export interface Consumer {
  /** Takes nothing new from now on. What is in hand goes on. Resolves when a message that is given back goes to others. */
  stop(): Promise<void>;
  /** Takes nothing new from now on; resolves when every delivery in progress has been acknowledged. */
  drain(): Promise<void>;
}

/**
 * How full a queue is: what waits now, what waits for its delay, and what is being worked on. On RabbitMQ `delayed` is
 * the sum over all queues, and `active` this process only.
 */
export interface QueueDepth {
  ready: number;
  delayed: number;
  active: number;
}

export interface Broker {
  /** Shown by `fn list` and the health page: `rabbitmq` or `pg-boss`. */
  readonly driver: string;
  /** Creates what is missing. Idempotent; throws a plain sentence when a queue exists with other properties. */
  declare(queues: readonly QueueDeclaration[]): Promise<void>;
  /** Resolves once the broker has the message on disk. Rejects, and keeps nothing back, when the broker is away. */
  publish(queue: string, message: unknown, options?: PublishOptions): Promise<void>;
  /**
   * Delivers until drained, across lost connections. `handle` must not throw; when it does, the message is delivered
   * again. A delivery whose consumer died is delivered again to another.
   */
  consume(queue: string, options: ConsumeOptions, handle: (delivery: Delivery) => Promise<Outcome>): Promise<Consumer>;
  depth(queue: string): Promise<QueueDepth>;
  /**
   * Takes the wanted ones out of what waits in a queue now, and returns how many those were. The others keep their
   * order. For queues without a consumer: a dead letter queue. Never loses a message; one that it ends upon (a crash, a
   * lost connection) may be there twice.
   */
  take(queue: string, wanted: (message: unknown) => boolean | Promise<boolean>): Promise<number>;
  /** Whether a publish would be taken now. Cheap: never waits for the network. */
  isConnected(): boolean;
  close(): Promise<void>;
}
