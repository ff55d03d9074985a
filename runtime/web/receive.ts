/** Takes the bytes of a request's body as they come, within a limit. */
import { IncomingMessage } from "node:http";
import { problems } from "../problem.ts";
import type { Incoming } from "./incoming.ts";

/** Nobody waits for an answer: the client left before its request was complete, or it was told that its time is up. */
export class ClientGone extends Error {}

export interface Receiving {
  /** In bytes. */
  limit: number;
  /** Is given each chunk; while its promise is pending, nothing more is read. Once it is settled, the chunk is no more. */
  take: (chunk: Buffer) => Promise<void> | undefined;
  /** Aborted when nobody waits for an answer any more. */
  signal?: AbortSignal;
}

/**
 * Resolves once all of the body has been taken. Throws `request_too_large` a moment after the byte that passes the limit,
 * `ClientGone`, and what `take` throws.
 */
export function receive(source: Incoming["source"], receiving: Receiving): Promise<void> {
  return source instanceof IncomingMessage ? receiveNode(source, receiving) : receiveWeb(source, receiving);
}

export function tooLarge(limit: number) {
  const megabytes = Math.round((limit / 2 ** 20) * 100) / 100;
  return problems.requestTooLarge({ message: `The request body is larger than ${megabytes} MB` });
}

/** How long a client that sends too much may go on before it is answered, in milliseconds. */
const lingerMs = 1000;

/** Straight from the socket: a web stream in between costs a third of the request. */
function receiveNode(request: IncomingMessage, { limit, take, signal }: Receiving): Promise<void> {
  return new Promise((resolve, reject) => {
    let size = 0;
    let over = false;
    let busy: Promise<void> | undefined;
    let lingering: NodeJS.Timeout | undefined;
    const timeUp = () => fail(new ClientGone("Nobody waits for an answer", { cause: signal?.reason }));
    const settle = () => {
      clearTimeout(lingering);
      // A signal that somebody listens to is kept, and with it all of this request.
      signal?.removeEventListener("abort", timeUp);
    };
    const fail = (error: unknown) => {
      settle();
      // The rest is thrown away: a client that is still writing gets its answer when it has done so.
      over = true;
      request.resume();
      reject(error);
    };
    request.on("data", (chunk: Buffer) => {
      if (over) return;
      size += chunk.length;
      if (size > limit) {
        // For a moment, too: closing on a client that still writes takes its answer from it.
        lingering ??= setTimeout(() => fail(tooLarge(limit)), lingerMs);
        return;
      }
      busy = take(chunk);
      if (!busy) return;
      request.pause();
      busy.then(() => {
        free(chunk);
        request.resume();
      }, fail);
    });
    request.once("end", () => {
      settle();
      if (size > limit) reject(tooLarge(limit));
      else resolve(busy);
    });
    request.once("error", (error) => fail(new ClientGone("The request ended early", { cause: error })));
    request.once("close", () => {
      if (!request.complete) fail(new ClientGone("The request ended early"));
    });
    if (signal?.aborted) timeUp();
    else signal?.addEventListener("abort", timeUp, { once: true });
  });
}

/**
 * Gives a chunk's memory back at once. The collector of garbage sees an object of a hundred bytes, not the 64 KB outside
 * of its heap, and takes its time: with ten clients that send 25 MB each, 60 MB waited for it.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

async function receiveWeb({ body }: Request, { limit, take, signal }: Receiving): Promise<void> {
  if (!body) return;
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (signal?.aborted) throw new ClientGone("Nobody waits for an answer", { cause: signal.reason });
      if (done) return;
      size += value.length;
      if (size > limit) throw tooLarge(limit);
      await take(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    }
  } catch (error) {
    cancel();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
