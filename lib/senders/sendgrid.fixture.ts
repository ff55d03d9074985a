/** SendGrid as far as it goes: answers what a test tells it to, and keeps what it was sent. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { buffer } from "node:stream/consumers";
import { confidential } from "../../ops/harness/context.ts";

/** A status with headers and a body; or how the connection ends once the request has been read. */
export type Answer = { status: number; headers?: Record<string, string>; body?: unknown } | "reset";

export interface Provider {
  /** The environment that leads to it. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: { headers: IncomingMessage["headers"]; path: string; body: SentMail }[];
  /** What the next requests get; 202 unless told. */
  answer(given: Answer | Promise<Answer>): void;
  close(): Promise<void>;
}

/** The part of SendGrid's v3 request that tests look at. */
export interface SentMail {
  from: { email: string; name?: string };
  subject: string;
  personalizations: Record<string, { email: string; name?: string }[]>[];
  content: { type: string; value: string }[];
  attachments?: { filename: string; content: string; type: string; disposition: string }[];
  custom_args?: Record<string, string>;
}

export async function startProvider(): Promise<Provider> {
  let next: Answer | Promise<Answer> = { status: 202 };
  const requests: Provider["requests"] = [];
  const server: Server = createServer(async (request, response) => {
    const text = String(await buffer(request));
    requests.push({ headers: request.headers, path: request.url ?? "", body: JSON.parse(text) as SentMail });
    const answer = await next;
    if (answer === "reset") return void request.socket.resetAndDestroy();
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    env: { SENDGRID_API_KEY: `SG.${confidential}`, SENDGRID_BASE_URL: `http://127.0.0.1:${port}` },
    requests,
    answer(given) {
      next = given;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
