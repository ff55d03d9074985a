/** The broker on PostgreSQL by pg-boss: nothing to install beside the database. */
import { Pool } from "pg";
import { PgBoss, type QueueOptions } from "pg-boss";
import type { Broker, Outcome, QueueDeclaration } from "../../../runtime/broker.ts";
import type { Logger } from "../../../runtime/context.ts";
import { encode, pause } from "./deliveries.ts";
import { type PgConsumer, startConsumer } from "./pg-boss/consumer.ts";
import { createJobs, type Envelope } from "./pg-boss/jobs.ts";
import { keepListening } from "./pg-boss/listener.ts";

export type PgBossBrokerOptions = {
  /** Schema for pg-boss's tables, created when missing. */
  schema?: string;
  /**
   * Whole seconds that a message stays with a consumer that no longer gives a sign of life. It is then delivered again within another
   * 2 × min(5 s, this) + 1 s. A living consumer may work on it for up to 24 hours.
   */
  redeliverAfterSeconds?: number;
  log: Logger;
} & ({ pool: Pool } | { connectionString: string });

/** Deliveries that may come back unacknowledged before pg-boss gives the message up; as RabbitMQ's delivery limit here. */
const deliveryLimit = 20;
const publishTimeoutMs = 5000;
const openingMs = 5000;
const closingMs = 800;

/**
 * Resolves when ready, or after a short while without PostgreSQL: then it goes on trying in the background, once a second,
 * for as long as it is open. Several processes may open it at once on an empty database.
 *
 * - A given `pool` stays its owner's, who also listens to its `error` event.
 * - Takes one connection of the pool for itself, to listen, and up to about five more under load.
 * - `declare` also changes existing queues to what is declared. While PostgreSQL is away it resolves, and is done on connecting.
 * - `publish` rejects at once while away, and after 5 s without an answer.
 * - `close` drops what is in progress, which is delivered again after `redeliverAfterSeconds`. Drain first.
 */
export async function openPgBossBroker(options: PgBossBrokerOptions): Promise<Broker> {
  const { log, schema = "pgboss", redeliverAfterSeconds = 15 } = options;
  const ownsPool = !("pool" in options);
  const pool = "pool" in options ? options.pool : poolOf(options.connectionString);

  const declared = new Map<string, QueueDeclaration>();
  const consumers = new Set<PgConsumer>();
  const closing = new AbortController();
  const opened = Promise.withResolvers<void>();
  let channel = "";
  let started = false;
  let connected = false;
  let away = "it has not answered yet";

  const superviseSeconds = Math.min(5, redeliverAfterSeconds);
  const boss = new PgBoss({
    schema,
    // pg-boss names the channel and notifies on it; who is to be woken is ours, so the listening is too.
    db: {
      executeSql: (text, values) => pool.query(text, values),
      listen: async (name) => {
        channel = name;
        return { close: async () => {} };
      },
    },
    useListenNotify: true,
    // Repeats the jobs of dead consumers. One process at a time does it, whichever comes first.
    superviseIntervalSeconds: superviseSeconds,
    monitorIntervalSeconds: superviseSeconds,
    maintenanceIntervalSeconds: 60,
    // Not used here: cron, dependencies between jobs, advice on vacuum.
    schedule: false,
    flowIntervalSeconds: 86_400,
    monitorVacuum: false,
  });
  boss.on("error", (error) => {
    if (connected) log.warn({ err: error }, "pg-boss reports an error");
  });
  boss.on("warning", (warning) => log.warn({ warning }, "pg-boss warns"));

  const jobs = createJobs({ boss, pool, schema, heartbeatSeconds: redeliverAfterSeconds });
  const nudge = (queue: string) => {
    for (const consumer of consumers) if (consumer.queue === queue) consumer.nudge();
  };

  async function prepare(): Promise<string> {
    if (!started) {
      try {
        await boss.start();
        started = true;
      } catch (error) {
        await boss.stop({ graceful: false });
        throw error;
      }
    }
    return channel;
  }

  async function createQueues(queues: readonly QueueDeclaration[]): Promise<void> {
    const properties = {
      notify: true,
      retryLimit: deliveryLimit,
      retryDelay: 1,
      expireInSeconds: 24 * 3600,
      heartbeatSeconds: Math.max(10, redeliverAfterSeconds),
      deleteAfterSeconds: 60,
      retentionSeconds: 10 * 365 * 24 * 3600, // a waiting message is never dropped for its age
    };
    const deadLetters = new Set(queues.flatMap((queue) => queue.deadLetter ?? []));
    for (const name of deadLetters) await upsert(name, properties);
    for (const { name, deadLetter } of queues) {
      if (!deadLetters.has(name))
        await upsert(name, { ...properties, ...(deadLetter !== undefined && { deadLetter }) });
    }
  }

  async function upsert(
    name: string,
    properties: QueueOptions & { deadLetter?: string; notify: boolean },
  ): Promise<void> {
    await boss.createQueue(name, properties);
    await boss.updateQueue(name, properties);
  }

  function assertConnected(): void {
    if (!connected) throw new Error(`PostgreSQL is away: ${away}`);
  }

  function delayOf(queue: string, delayMs: number): number {
    if (declared.get(queue)?.retryDelaysMs.includes(delayMs)) return delayMs;
    throw new Error(`Queue "${queue}" has not been declared with a delay of ${delayMs} ms`);
  }

  async function settle(queue: string, id: string, outcome: Outcome, envelope: Envelope): Promise<void> {
    const deadLetter = declared.get(queue)?.deadLetter;
    if (outcome.kind === "retry") {
      const next = { ...envelope, attempt: envelope.attempt + 1 };
      await jobs.move(queue, id, queue, next, delayOf(queue, outcome.delayMs));
      nudge(queue);
    } else if (outcome.kind === "requeue") {
      if (outcome.at === "front") await jobs.giveBack(queue, [id]);
      else await jobs.move(queue, id, queue, envelope, 0);
      nudge(queue);
    } else if (outcome.kind === "dead" && deadLetter !== undefined) {
      await jobs.move(queue, id, deadLetter, { ...envelope, reason: outcome.reason, origin: queue }, 0);
    } else {
      if (outcome.kind === "dead") {
        log.error({ queue, attempt: envelope.attempt, reason: outcome.reason }, "A message is given up");
      }
      await jobs.remove(queue, id);
    }
  }

  const listening = keepListening({
    pool,
    prepare,
    async onUp() {
      let known: number;
      do {
        known = declared.size;
        await createQueues([...declared.values()]);
      } while (declared.size > known); // declared meanwhile
      connected = true;
      log.info("Connected to PostgreSQL for messages");
      for (const consumer of consumers) consumer.nudge(); // what was notified meanwhile went unheard
      opened.resolve();
    },
    onDown(reason) {
      connected = false;
      away = reason;
      opened.resolve();
    },
    onNotification: nudge,
    closing: closing.signal,
    log,
  });
  await Promise.race([opened.promise, pause(openingMs, closing.signal)]);

  return {
    driver: "pg-boss",
    async declare(queues) {
      for (const queue of queues) declared.set(queue.name, queue);
      if (connected) await createQueues(queues);
    },
    async publish(queue, message, { attempt = 1, delayMs, traceparent } = {}) {
      assertConnected();
      const wait = delayMs === undefined ? 0 : delayOf(queue, delayMs);
      const envelope = { message: encode(message), attempt, ...(traceparent !== undefined && { traceparent }) };
      await within(publishTimeoutMs, jobs.insert(queue, envelope, wait));
      if (wait > 0) nudge(queue); // only what is due now is notified
    },
    async consume(queue, { concurrency }, handle) {
      const consumer: PgConsumer = startConsumer({
        boss,
        jobs,
        queue,
        concurrency,
        handle,
        settle,
        heartbeatMs: (redeliverAfterSeconds * 1000) / 3,
        isConnected: () => connected,
        onDrained: () => void consumers.delete(consumer),
        closing: closing.signal,
        log,
      });
      consumers.add(consumer);
      return consumer;
    },
    async depth(queue) {
      assertConnected();
      return jobs.depth(queue);
    },
    async take(queue, wanted) {
      assertConnected();
      return jobs.take(queue, wanted);
    },
    isConnected: () => connected,
    async close() {
      closing.abort();
      connected = false;
      away = "the broker is closed";
      const patience = new AbortController();
      const stopped = (async () => {
        await listening;
        await boss.stop({ graceful: false });
        if (ownsPool) await pool.end();
      })();
      await Promise.race([stopped.catch(() => {}), pause(closingMs, patience.signal)]);
      patience.abort();
    },
  };
}

function poolOf(connectionString: string): Pool {
  const pool = new Pool({ connectionString, connectionTimeoutMillis: 3000 });
  // An idle connection broke. The listener notices by itself; unheard, the event would end the process.
  pool.on("error", () => {});
  return pool;
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`PostgreSQL did not answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
