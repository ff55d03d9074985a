/**
 * Posts one request over and over on sockets of its own, as fast as a gate lets it: what wrk cannot do, and what an HTTP
 * client in this process would need too much of the machine for.
 */
import { connect, type Socket } from "node:net";

export interface Posting {
  /** Replies with 200 so far. */
  accepted(): number;
  /** Begins no more, and resolves when every request under way has its reply. Rejects when any reply was not 200. */
  stop(): Promise<void>;
}

export interface PostingOptions {
  connections: number;
  authorization: string;
  body: string;
  /** Text that stands once in the body, and in whose place each request has a number of its own, as long as it is. */
  unique?: string;
  /** Asked before each request with the number begun so far; a refusal is asked again within 5 ms. */
  mayPost: (begun: number) => boolean;
}

export function startPosting(url: string, options: PostingOptions): Posting {
  const { host, hostname, port, pathname } = new URL(url);
  const same = Buffer.from(
    [
      `POST ${pathname} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: ${options.authorization}`,
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(options.body)}`,
      "",
      options.body,
    ].join("\r\n"),
  );
  const { unique } = options;
  const place = unique === undefined ? -1 : same.lastIndexOf(unique);
  const request = (): Buffer => {
    if (unique === undefined) return same;
    const own = Buffer.from(same);
    own.write(String(begun).padStart(unique.length, "0"), place);
    return own;
  };
  let begun = 0;
  let accepted = 0;
  let stopping = false;
  let fault: Error | undefined;
  const ended: Promise<void>[] = [];
  const waiting: Socket[] = [];

  function next(socket: Socket): void {
    if (stopping) socket.end();
    else if (options.mayPost(begun)) {
      begun++;
      socket.write(request());
    } else waiting.push(socket);
  }
  const wake = () => waiting.splice(0).forEach(next);
  const timer = setInterval(wake, 5);

  for (let index = 0; index < options.connections; index++) {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let received = "";
    socket.setEncoding("latin1");
    socket.on("connect", () => next(socket));
    socket.on("data", (chunk: string) => {
      received += chunk;
      const head = received.indexOf("\r\n\r\n");
      const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1];
      if (head < 0 || received.length < head + 4 + Number(length ?? 0)) return;
      if (received.startsWith("HTTP/1.1 200 ")) accepted++;
      else fault ??= new Error(`POST ${pathname} was answered: ${received.slice(0, 500)}`);
      received = "";
      next(socket);
    });
    socket.on("error", (error) => (fault ??= error));
    ended.push(new Promise((resolve) => socket.once("close", () => resolve())));
  }

  return {
    accepted: () => accepted,
    async stop() {
      stopping = true;
      clearInterval(timer);
      wake();
      await Promise.all(ended);
      if (fault) throw fault;
    },
  };
}
