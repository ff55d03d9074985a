/** Sends bytes that may be anything to an HTTP server, and reads what it makes of them. */
import { connect, type Socket } from "node:net";

export interface Outcome {
  /** Statuses of the answers, in their order. */
  statuses: number[];
  /** The server closed the connection. */
  closed: boolean;
  /** It neither answered as often as it was asked, nor closed, in this time. */
  overdue: boolean;
}

/** A server may take so long, in milliseconds, for whatever it was sent. */
const patienceMs = 5000;

/** A client's connections: those that are still good are used again. */
export class Connections {
  readonly #port: number;
  readonly #idle: Socket[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Sends one thing and waits for `answers` answers; for 0, tells the server that no more comes, and waits for it to close
   * the connection.
   */
  exchange(bytes: Buffer, answers: number): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const kept = answers > 0 ? this.#idle.pop() : undefined;
    const socket = kept ?? connect({ host: "127.0.0.1", port: this.#port, allowHalfOpen: true });
    const answersHead = bytes.toString("latin1", 0, 5) === "HEAD ";
    const statuses: number[] = [];
    let received: Buffer = Buffer.alloc(0);
    const end = (how: Partial<Outcome>, isGood = false) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      if (isGood) this.#idle.push(socket);
      else socket.destroy();
      resolve({ statuses, closed: false, overdue: false, ...how });
    };
    const over = () => {
      // A connection that the server had given up meanwhile says nothing of this request.
      if (!kept || statuses.length > 0) return end({ closed: true });
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {}).destroy();
      void this.exchange(bytes, answers).then(resolve);
    };
    const timer = setTimeout(() => end({ overdue: true }), patienceMs);
    for (const event of ["error", "close", "end"]) socket.on(event, over);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (let next = readAnswer(received, answersHead); next; next = readAnswer(received, answersHead)) {
        received = received.subarray(next.bytes);
        if (next.status >= 200) statuses.push(next.status);
        if (answers > 0 && statuses.length >= answers) return end({}, next.stays && received.length === 0);
      }
    });
    socket.write(bytes);
    if (answers === 0) socket.end();
    return promise;
  }

  close(): void {
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }
}

interface Answer {
  status: number;
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
  const stays = !/^connection: *close/im.test(head);
  if (answersHead || status < 200 || status === 204 || status === 304) return { status, bytes: start, stays };
  if (/^transfer-encoding: *chunked/im.test(head)) {
    const end = received.indexOf("0\r\n\r\n", start);
    return end < 0 ? undefined : { status, bytes: end + 5, stays };
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return received.length < start + length ? undefined : { status, bytes: start + length, stays };
}
