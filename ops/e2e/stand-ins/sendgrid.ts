/**
 * Stands in for SendGrid's v3 Mail Send API: checks requests as its published contract and documentation say, answers
 * in its shapes, fails on demand, and remembers what it took.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { isRecord, refusal, type Refusal } from "./sendgrid-rules.ts";

/** What happens to the next request; without one it is answered by the rules. */
export type Behaviour =
  | { kind: "status"; status: number; headers?: Record<string, string>; message?: string }
  /** Cuts the connection: before it has read the request, after that, or after it has accepted the mail. */
  | { kind: "reset"; when: "unread" | "read" | "accepted" }
  /** Accepts after so many milliseconds. */
  | { kind: "delay"; ms: number };

/** One request, in the order of arrival. */
export interface Entry {
  /** Milliseconds since the start of the process. */
  at: number;
  /** The HTTP status of the answer, or 0 for a connection that was cut. */
  status: number;
  mailId: string | undefined;
  /** Whether SendGrid would now send it, whatever the client was told: not in its sandbox mode. */
  accepted: boolean;
  body: Record<string, unknown>;
}

export interface SendGridStandIn {
  readonly url: string;
  readonly key: string;
  /** Everything that arrived. */
  readonly ledger: readonly Entry[];
  /** Requests being answered now. */
  readonly busy: number;
  /** What happens to the coming requests, one each. */
  next(...behaviours: Behaviour[]): void;
  /** What happens to every request that no `next` is left for. */
  always(behaviour: Behaviour | (() => Behaviour | undefined) | undefined): void;
  /** Forgets the ledger and all behaviours. */
  reset(): void;
  /** Copies of a mail that SendGrid would send. */
  copies(mailId: string): number;
  close(): Promise<void>;
}

/** SendGrid takes mails of less than 30 MB, attachments included. */
const largestMail = 30 * 2 ** 20;

export interface SendGridOptions {
  port?: number;
  /** What is kept of a request's body. Default: all. */
  keep?: (body: Record<string, unknown>) => Record<string, unknown>;
}

export async function startSendGrid({
  port = 0,
  keep = (body) => body,
}: SendGridOptions = {}): Promise<SendGridStandIn> {
  const key = `SG.${randomUUID()}`;
  const ledger: Entry[] = [];
  let queue: Behaviour[] = [];
  let standing: Behaviour | (() => Behaviour | undefined) | undefined;
  let busy = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const behaviour = queue.shift() ?? (typeof standing === "function" ? standing() : standing);
    const entry: Entry = { at: performance.now(), status: 0, mailId: undefined, accepted: false, body: {} };
    ledger.push(entry);
    if (behaviour?.kind === "reset" && behaviour.when === "unread") return void request.socket.resetAndDestroy();
    const bytes = await readAll(request);
    const reply = (status: number, headers: Record<string, string>, body?: unknown) => {
      entry.status = status;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    const refuse = ({ status, ...error }: Refusal) =>
      reply(status, {}, { errors: [{ field: null, help: null, ...error }] });

    const { body, fault } = parse(bytes);
    if (mailBytes(bytes.length, body) >= largestMail)
      return refuse({ status: 413, message: "Request Entity Too Large" });
    entry.body = keep(body);
    entry.mailId = mailIdOf(body);
    const wrong = refusal({ method: request.method, path: request.url, headers: request.headers, key, body, fault });
    if (wrong) return refuse(wrong);
    if (behaviour?.kind === "status") {
      const { status, headers = {}, message = "a fault of its own" } = behaviour;
      return reply(status, headers, { errors: [{ message, field: null, help: null }] });
    }
    if (behaviour?.kind === "delay") await pause(behaviour.ms);
    if (inSandbox(body)) return reply(200, {});
    entry.accepted = behaviour?.kind !== "reset" || behaviour.when === "accepted";
    if (behaviour?.kind === "reset") return void request.socket.resetAndDestroy();
    reply(202, { "x-message-id": randomUUID().replaceAll("-", "").slice(0, 22) });
  }

  const server = createServer((request, response) => {
    busy++;
    answer(request, response)
      .catch(() => response.destroy()) // The client went away: the ledger says how far it came.
      .finally(() => busy--);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const open = typeof address === "object" && address ? address.port : port;

  return {
    url: `http://127.0.0.1:${open}`,
    key,
    ledger,
    get busy() {
      return busy;
    },
    next: (...behaviours) => void queue.push(...behaviours),
    always: (behaviour) => void (standing = behaviour),
    reset() {
      queue = [];
      standing = undefined;
      ledger.length = 0;
    },
    copies: (mailId) => ledger.filter((entry) => entry.mailId === mailId && entry.accepted).length,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): { body: Record<string, unknown>; fault: boolean } {
  try {
    const body: unknown = JSON.parse(bytes.toString());
    return isRecord(body) ? { body, fault: false } : { body: {}, fault: true };
  } catch {
    return { body: {}, fault: true };
  }
}

function inSandbox({ mail_settings: settings }: Record<string, unknown>): boolean {
  const mode = isRecord(settings) ? settings["sandbox_mode"] : undefined;
  return isRecord(mode) && mode["enable"] === true;
}

function mailIdOf(body: Record<string, unknown>): string | undefined {
  const args = body["custom_args"];
  return isRecord(args) && typeof args["mail_id"] === "string" ? args["mail_id"] : undefined;
}

/** The request's length, with the content of attachments as it is and not as base64. */
function mailBytes(length: number, { attachments }: Record<string, unknown>): number {
  const files = Array.isArray(attachments) ? attachments.filter(isRecord) : [];
  return files.reduce((bytes, { content }) => bytes - Math.floor(String(content).length / 4), length);
}
