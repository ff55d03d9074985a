/** Sends bytes that may be anything to an HTTP server, and reads what it makes of them. */
import { connect, type Socket } from "node:net";
import type { Patience } from "./patience.ts";

export interface Reply {
  status: number;
  /** Without its parameters. */
  type: string;
  text: string;
}

export interface Outcome {
  /** The answers, in their order. */
  replies: Reply[];
  /** The server closed the connection. */
  closed: boolean;
  /** It neither answered as often as it was asked, nor closed, in time. */
  overdue: boolean;
  /** It answered with what is no HTTP. */
  broken: string | undefined;
  /** What the connection had carried before, the last few: each cut where it is long. */
  before: readonly Buffer[];
}

const mostBefore = 4;
const mostBeforeBytes = 2000;

/** In bytes; what the sockets on the way hold by themselves. */
const large = 2 ** 20;

/** A client's connections: those that are still good are used again. */
export class Connections {
  readonly #port: number;
  readonly #patience: Patience;
  readonly #idle: Socket[] = [];
  readonly #carried = new WeakMap<Socket, Buffer[]>();

  constructor(port: number, patience: Patience) {
    this.#port = port;
    this.#patience = patience;
  }

  /**
   * Sends one thing and waits for `answers` answers; for 0, tells the server that no more comes, and waits for it to close
   * the connection.
   */
  exchange(bytes: Buffer, answers: number): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const kept = answers > 0 ? this.#takeIdle() : undefined;
    const socket = kept ?? connect({ host: "127.0.0.1", port: this.#port, allowHalfOpen: true, noDelay: true });
    const before = this.#carried.get(socket) ?? [];
    const answersHead = bytes.toString("latin1", 0, 5) === "HEAD ";
    const replies: Reply[] = [];
    let received: Buffer = Buffer.alloc(0);
    const end = (how: Partial<Outcome>, isGood = false) => {
      stopWaiting();
      socket.removeAllListeners();
      socket.on("error", () => {});
      // Of a large one, most may still be on its way: what came after it would wait for that.
      if (isGood && bytes.length <= large) this.#keep(socket, before, bytes);
      else socket.destroy();
      resolve({ replies, closed: false, overdue: false, broken: undefined, before, ...how });
    };
    const over = () => {
      // A connection that the server had given up meanwhile says nothing of this request.
      if (!kept || replies.length > 0 || received.length > 0) return end({ closed: true });
      stopWaiting();
      socket.removeAllListeners();
      socket.on("error", () => {}).destroy();
      void this.exchange(bytes, answers).then(resolve);
    };
    const take = () => {
      for (let next = readAnswer(received, answersHead); next; next = readAnswer(received, answersHead)) {
        received = received.subarray(next.bytes);
        if (next.reply.status >= 200) replies.push(next.reply);
        // It goes on for as long as there is something to tell.
        if (next.reply.type === "text/event-stream") return end({});
        if (answers > 0 && replies.length >= answers) return end({}, next.stays && received.length === 0);
      }
    };
    const stopWaiting = this.#patience.begin(answers, bytes.length, () => end({ overdue: true }));
    for (const event of ["error", "close", "end"]) socket.on(event, over);
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      try {
        take();
      } catch (error) {
        end({ broken: String(error) });
      }
    });
    socket.write(bytes);
    if (answers === 0) socket.end();
    return promise;
  }

  #keep(socket: Socket, before: readonly Buffer[], bytes: Buffer): void {
    // A copy: a part of a large buffer would keep all of it.
    const last = Buffer.from(bytes.subarray(0, mostBeforeBytes));
    this.#carried.set(socket, [...before, last].slice(-mostBefore));
    this.#idle.push(socket);
  }

  /** One that its server has not closed meanwhile. */
  #takeIdle(): Socket | undefined {
    for (let socket = this.#idle.pop(); socket; socket = this.#idle.pop()) {
      if (!socket.readableEnded && !socket.destroyed) return socket;
      socket.destroy();
    }
    return undefined;
  }

  close(): void {
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }
}

interface Answer {
  reply: Reply;
  /** How many bytes it takes. */
  bytes: number;
  /** Whether the connection stays. */
  stays: boolean;
}

/** The first answer of what was received, when it is all there (RFC 9112). */
function readAnswer(received: Buffer, answersHead: boolean): Answer | undefined {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = received.toString("latin1", 0, headEnd);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
  if (!status) throw new Error(`no answer of HTTP: ${JSON.stringify(head.slice(0, 100))}`);
  const start = headEnd + 4;
  const type = /^content-type: *([\w/.+-]+)/im.exec(head)?.[1] ?? "";
  const stays = !/^connection: *close/im.test(head);
  const bare = { reply: { status, type, text: "" }, bytes: start, stays };
  if (answersHead || status < 200 || status === 204 || status === 304 || type === "text/event-stream") return bare;
  const chunked = /^transfer-encoding: *chunked/im.test(head);
  const end = chunked ? endOfChunks(received, start) : start + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  if (end === undefined || received.length < end) return undefined;
  const isText = /json|text/.test(type);
  return { reply: { status, type, text: isText ? received.toString("utf8", start, end) : "" }, bytes: end, stays };
}

/** Where the chunks that begin there end; undefined while there are more to come. */
function endOfChunks(received: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (size === 0 || Number.isNaN(size)) return received.length < at ? undefined : at;
  }
}
