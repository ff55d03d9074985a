/**
 * One HTTP POST whose body may be streamed, with an account of how far it came. The account decides what may follow: a
 * server can act on a request only when it has all of it, so one that did not leave whole was not acted upon.
 */
import { request as httpRequest } from "node:http";
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { setImmediate as turn } from "node:timers/promises";
import { codeOf } from "./disk.ts";

export interface Post {
  /** POST unless told. */
  method?: "GET" | "POST" | "PUT" | "DELETE";
  url: URL;
  /** Without `content-length`: it is that of the body. */
  headers: Readonly<Record<string, string>>;
  /** A buffer goes in one write, which costs less than a stream. */
  body: PostBody | Buffer;
  /** Keeps connections, and knows how long. */
  agent: Agent;
  signal: AbortSignal;
  /** Milliseconds without a byte in either direction until it is given up. Default 30,000. */
  silenceMs?: number;
  /** Characters of the answer that are kept. Default 65,536. */
  mostText?: number;
}

export interface PostBody {
  /** Bytes, exactly. */
  readonly length: number;
  /** May be asked for again when the request is repeated. */
  chunks(): AsyncIterable<Buffer>;
}

export interface PostAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** Its beginning, where it is long. */
  text: string;
}

/** `connecting`: no byte was written; `sending`: some, not all; `sent`: the last one was handed on, and may have arrived. */
export type Progress = "connecting" | "sending" | "sent";

/** There was no answer. */
export class PostFailure extends Error {
  override name = "PostFailure";
  /** Node's: `ECONNREFUSED`, `ETIMEDOUT`, … */
  readonly code: string;
  readonly progress: Progress;

  constructor(progress: Progress, cause: unknown) {
    const code = codeOf(cause) || (cause instanceof Error ? cause.name : "UNKNOWN");
    super(`No answer: ${code} while ${progress}`, { cause });
    this.code = code;
    this.progress = progress;
  }
}

/** Milliseconds until there must be a connection, with TLS where the address says so. */
const connectLimitMs = 10_000;
const silenceLimitMs = 30_000;

/**
 * Sends the request and returns its answer, whatever its status. Throws `PostFailure` when there is none. A request
 * that met a kept connection which the server had just closed is repeated once, unless all of it had been written.
 */
export async function post(given: Post): Promise<PostAnswer> {
  const first = new Attempt(given, given.agent);
  try {
    return await first.answer();
  } catch (error) {
    if (!first.metClosedConnection(error)) throw error;
  }
  return await new Attempt(given, false).answer();
}

/** What Node's sockets tell of how far they are. */
type Connecting = NodeJS.Socket & { connecting?: boolean; secureConnecting?: boolean };

class Attempt {
  readonly #post: Post;
  readonly #request: ClientRequest;
  #progress: Progress = "connecting";
  /** Whether its connection had served another request. */
  #isKept = false;

  constructor(given: Post, agent: Agent | false) {
    this.#post = given;
    const { method = "POST", url, headers, body, signal } = given;
    const make = url.protocol === "https:" ? httpsRequest : httpRequest;
    this.#request = make(url, {
      method,
      headers: { ...headers, "content-length": body.length },
      agent,
      signal,
    });
    this.#request.once("timeout", () => this.#request.destroy(timedOut("the connection was silent")));
  }

  async answer(): Promise<PostAnswer> {
    const request = this.#request;
    const failed = new Promise<never>((_, reject) => void request.on("error", reject));
    const responded = new Promise<IncomingMessage>((resolve) => void request.once("response", resolve));
    try {
      await Promise.race([this.#connected(), failed]);
      request.setTimeout(this.#post.silenceMs ?? silenceLimitMs);
      this.#progress = "sending";
      this.#write();
      const response = await Promise.race([responded, failed]);
      // Its status is the answer; what fails from here on takes nothing of that back.
      const text = await readText(response, this.#post.mostText ?? 64 * 1024);
      if (!request.writableFinished) request.destroy(); // It was answered before it was read, and needs no more.
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    } catch (error) {
      throw new PostFailure(this.#progress, error);
    }
  }

  /** Whether it failed as a request does on a connection that the server closes at that moment, and not all was written. */
  metClosedConnection(error: unknown): boolean {
    if (!(error instanceof PostFailure) || !this.#isKept) return false;
    return error.progress !== "sent" && (error.code === "ECONNRESET" || error.code === "EPIPE");
  }

  /** Resolves when bytes can be written to the server, after a look at whether a kept connection is still there. */
  async #connected(): Promise<void> {
    const request = this.#request;
    const late = setTimeout(() => request.destroy(timedOut("no connection")), connectLimitMs);
    try {
      const socket = await new Promise<Connecting>((resolve) => request.once("socket", resolve));
      // One that another request has just let go of comes without Node calling it used again.
      this.#isKept = request.reusedSocket || !(socket.connecting || socket.secureConnecting);
      if (this.#isKept) {
        // That the server has closed it is read in the next look at the network, which is before the second turn.
        await turn();
        return void (await turn());
      }
      const ready = this.#post.url.protocol === "https:" ? "secureConnect" : "connect";
      await new Promise<void>((resolve) => void socket.once(ready, resolve));
    } finally {
      clearTimeout(late);
    }
  }

  #write(): void {
    const { body } = this.#post;
    if (!("chunks" in body)) {
      this.#progress = "sent";
      return void this.#request.end(body);
    }
    // What goes wrong, on either side, is an error of the request, too.
    pipeline(this.#chunks(body), this.#request).catch((error: unknown) => this.#request.destroy(asError(error)));
  }

  /** The end of the stream would come too late: with the last byte of its length, a server has the request and may act. */
  async *#chunks(body: PostBody): AsyncGenerator<Buffer> {
    let left = body.length;
    if (left === 0) this.#progress = "sent";
    for await (const chunk of body.chunks()) {
      left -= chunk.length;
      if (left <= 0) this.#progress = "sent";
      yield chunk;
    }
  }
}

async function readText(response: IncomingMessage, mostText: number): Promise<string> {
  let text = "";
  // A character may come in two pieces.
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > mostText) break;
    }
  } catch {
    // What has come is what is known.
  }
  return text;
}

function timedOut(what: string): Error {
  return Object.assign(new Error(what), { code: "ETIMEDOUT" });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
