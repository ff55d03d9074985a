/** The drivers under test with their real servers, and a wire to a server that can be cut. */
import { createServer, connect as dial, type Socket } from "node:net";
import { connect as connectAmqp } from "amqplib";
import { Client } from "pg";
import { pino } from "pino";
import * as assert from "uvu/assert";
import { emptyDatabase, freshVhost } from "../../../ops/harness/test.ts";
import type { Broker } from "../../../runtime/broker.ts";
import { openPgBossBroker } from "./pg-boss.ts";
import { openRabbitBroker } from "./rabbitmq.ts";

export interface Driver {
  name: string;
  place(): Promise<string>;
  open(url: string): Promise<Broker>;
  /** Puts text into a queue as somebody else would. */
  putRaw(url: string, queue: string, text: string): Promise<void>;
}

const log = pino({ level: "silent" });

export const rabbitMq: Driver = {
  name: "rabbitmq",
  place: freshVhost,
  open: (url) => openRabbitBroker({ url, log }),
  async putRaw(url, queue, text) {
    const connection = await connectAmqp(url);
    const channel = await connection.createConfirmChannel();
    channel.sendToQueue(queue, Buffer.from(text));
    await channel.waitForConfirms();
    await connection.close();
  },
};

export const pgBoss: Driver = {
  name: "pg-boss",
  place: emptyDatabase,
  open: (url) => openPgBossBroker({ connectionString: url, redeliverAfterSeconds: 1, log }),
  async putRaw(url, queue, text) {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`INSERT INTO pgboss.job (name, data, dead_letter) VALUES ($1, $2, NULL)`, [
      queue,
      JSON.stringify({ message: text }),
    ]);
    await client.end();
  },
};

export async function refused(promise: Promise<unknown>, why: RegExp): Promise<void> {
  const failure = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(failure, Error);
  assert.match(String(failure), why);
}

/** Work that takes a while. */
export function tick(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function openLink(to: URL) {
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = dial(Number(to.port), to.hostname);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => into.destroy()).on("close", () => into.destroy());
      from.on("data", (bytes) => frozen || into.write(bytes));
    }
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  assert.ok(port);
  const url = new URL(to);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    /** Ends every connection and refuses new ones. */
    cut() {
      server.close();
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    /** Keeps the connections, but nothing passes any more. */
    freeze: () => void (frozen = true),
    async restore() {
      frozen = false;
      await listen(port);
    },
  };
}
