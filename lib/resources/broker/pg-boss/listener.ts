/** A connection that is always meant to be there: it hears notifications, and tells at once when PostgreSQL is gone. */
import type { Pool } from "pg";
import type { Logger } from "../../../../runtime/context.ts";
import { messageOf, pause } from "../deliveries.ts";

const reconnectMs = 1000;

export interface ListenerOptions {
  pool: Pool;
  /** Called with a connection that works. Returns the channel to listen on. */
  prepare: () => Promise<string>;
  /** Called once listening. */
  onUp: () => Promise<void>;
  onDown: (reason: string) => void;
  onNotification: (payload: string) => void;
  closing: AbortSignal;
  log: Logger;
}

/** Runs until `closing`. Takes one connection of the pool for as long. Never rejects. */
export async function keepListening(options: ListenerOptions): Promise<void> {
  let lastReason = "";
  while (!options.closing.aborted) {
    const reason = await listen(options);
    if (options.closing.aborted) return;
    options.onDown(reason);
    if (reason !== lastReason) options.log.warn({ reason }, "PostgreSQL cannot be reached for messages");
    lastReason = reason;
    await pause(reconnectMs, options.closing);
  }
}

/** Returns why it ended. */
async function listen({ pool, prepare, onUp, onNotification, closing }: ListenerOptions): Promise<string> {
  const ended = Promise.withResolvers<string>();
  const onAbort = () => ended.resolve("closed");
  closing.addEventListener("abort", onAbort);
  try {
    const client = await pool.connect();
    client.on("error", (error) => ended.resolve(messageOf(error)));
    client.on("end", () => ended.resolve("the connection ended"));
    client.on("notification", ({ payload }) => onNotification(payload ?? ""));
    try {
      const channel = await prepare();
      await client.query(`LISTEN "${channel}"`);
      await onUp();
      return await ended.promise;
    } finally {
      client.release(true); // it listens: nobody else should get it
    }
  } catch (error) {
    return messageOf(error);
  } finally {
    closing.removeEventListener("abort", onAbort);
  }
}
