/** SendGrid as far as it goes: answers what a test tells it to, and keeps what it was sent. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { buffer } from "node:stream/consumers";
import { confidential } from "../../ops/harness/context.ts";

export type Answer =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  /** Cuts the connection when the request has been read. */
  | "reset"
  /** Cuts it when the first bytes of a request have come that came on a connection that was used before. */
  | "reset when used again"
  /** Accepts, and closes the connection at that moment without having said so. */
  | "accept and close"
  /** Cuts it after the first bytes of the body. */
  | "reset in between"
  /** Answers 413 without having read the body. */
  | "refuse unread"
  | "never";

export interface Provider {
  /** The environment that leads to it. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: Request[];
  /** Connections that were made to it. */
  readonly connections: number;
  /** What the next requests get; 202 unless told. */
  answer(given: Answer | Promise<Answer>): void;
  /** Whether bodies are kept; without, there is their digest. */
  keepBodies(keep: boolean): void;
  close(): Promise<void>;
}

export interface Request {
  headers: IncomingMessage["headers"];
  path: string;
  bytes: number;
  sha256: string;
  body: SentMail;
}

/** The part of SendGrid's v3 request that tests look at. */
export interface SentMail {
  from: { email: string; name?: string };
  subject: string;
  personalizations: Record<string, { email: string; name?: string }[]>[];
  content: { type: string; value: string }[];
  attachments?: { filename: string; content: string; type: string; disposition: string }[];
  custom_args?: Record<string, string>;
  mail_settings?: unknown;
}

const nothing: SentMail = { from: { email: "" }, subject: "", personalizations: [], content: [] };

export async function startProvider(certificate?: { key: string; cert: string }): Promise<Provider> {
  let next: Answer | Promise<Answer> = { status: 202 };
  let keep = true;
  let connections = 0;
  const requests: Request[] = [];
  const used = new WeakSet<object>();

  const listener: RequestListener = async (request, response) => {
    const { socket } = request;
    const cut = () => void (certificate ? socket.destroy() : socket.resetAndDestroy());
    if (next === "refuse unread") return void response.writeHead(413, { "content-type": "application/json" }).end("{}");
    if (next === "reset in between") return void request.once("data", cut);
    if (next === "reset when used again" && used.has(request.socket)) return cut();
    used.add(request.socket);
    const read = await readBody(request, keep).catch(() => undefined);
    if (!read) return;
    requests.push({ headers: request.headers, path: request.url ?? "", ...read });
    const answer = await next;
    if (answer === "never") return;
    if (answer === "reset") return cut();
    if (answer === "accept and close") {
      return void request.socket.end("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    }
    const { status, headers, body } = typeof answer === "object" ? answer : { status: 202 };
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body === undefined ? "" : JSON.stringify(body));
  };
  const server = certificate ? createTlsServer(certificate, listener) : createServer(listener);
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    env: {
      SENDGRID_API_KEY: `SG.${confidential}`,
      SENDGRID_BASE_URL: `${certificate ? "https" : "http"}://127.0.0.1:${port}`,
    },
    requests,
    get connections() {
      return connections;
    },
    answer(given) {
      next = given;
    },
    keepBodies: (given) => void (keep = given),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage, keep: boolean): Promise<Pick<Request, "bytes" | "sha256" | "body">> {
  const hash = createHash("sha256");
  if (keep) {
    const content = await buffer(request);
    const body = JSON.parse(content.toString()) as SentMail;
    return { bytes: content.length, sha256: hash.update(content).digest("hex"), body };
  }
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest("hex"), body: nothing };
}
