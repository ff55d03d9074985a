/**
 * Asks at a constant rate, whether or not the answers keep up. A request's time counts from the moment at which it was
 * due: one that has to wait because an earlier one is slow waits as a client would, and shows in the figures.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Sample } from "./measure.ts";

export interface Pace {
  /** Of the server. */
  url: string;
  authorization: string | (() => string);
  perSecond: number;
  seconds: number;
  /** Requests that may be under way at once; 64 unless told. */
  connections?: number;
  /** What to GET next, or where to POST to. */
  path(): string;
  /** JSON; the requests are then POSTs. */
  body?: string;
  /** The body of each answer, and its latency. */
  onAnswer?(body: string, latencyMs: number): void;
}

/**
 * Latencies in milliseconds, of which up to one is the pacing's own.
 *
 * @throws when an answer is not 200, or a connection fails.
 */
export async function askAtPace({ url, authorization, perSecond, seconds, ...options }: Pace): Promise<Sample> {
  const { host, hostname, port } = new URL(url);
  const { body: posted } = options;
  const method = posted === undefined ? "GET" : "POST";
  const content =
    posted === undefined
      ? "\r\n"
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(posted)}\r\n\r\n${posted}`;
  const rest = (): string => {
    const whose = typeof authorization === "string" ? authorization : authorization();
    return ` HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${whose}\r\n${content}`;
  };
  const total = Math.round(perSecond * seconds);
  const latencies: number[] = [];
  const free: Socket[] = [];
  const sockets: Socket[] = [];
  let begun = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();

  for (let index = 0; index < (options.connections ?? 64); index++) {
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    socket.setEncoding("utf8").on("error", reject);
    socket.on("close", () => latencies.length < total && reject(new Error(`${url} closed a connection`)));
    await Promise.race([once(socket, "connect"), promise]);
    sockets.push(socket);
    free.push(socket);
  }

  const start = performance.now();
  const dueAt = (request: number): number => start + (request * 1000) / perSecond;
  const send = (): void => {
    while (begun < total && dueAt(begun) <= performance.now()) {
      // The one that has waited longest: a server closes those that nobody uses.
      const socket = free.shift();
      if (!socket) return;
      const due = dueAt(begun++);
      const path = options.path();
      let received = "";
      const onData = (chunk: string): void => {
        received += chunk;
        const head = received.indexOf("\r\n\r\n");
        if (head < 0) return;
        const body = received.slice(head + 4);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1]);
        if (Buffer.byteLength(body) < length) return;
        socket.off("data", onData);
        if (!received.startsWith("HTTP/1.1 200 "))
          return reject(new Error(`${method} ${path}: ${received.slice(0, 500)}`));
        const latency = performance.now() - due;
        latencies.push(latency);
        options.onAnswer?.(body, latency);
        if (latencies.length === total) resolve();
        free.push(socket);
        send();
      };
      socket.on("data", onData).write(`${method} ${path}${rest()}`);
    }
  };
  const timer = setInterval(send, 1);
  try {
    await promise;
  } finally {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  }
  const took = (performance.now() - start) / 1000;
  return { perSecond: total / took, ...percentiles(latencies) };
}

/** `p50Ms`, `p95Ms`, `p99Ms` and the longest. */
export function percentiles(latencies: readonly number[]): Sample {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? NaN;
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), longestMs: at(1) };
}
