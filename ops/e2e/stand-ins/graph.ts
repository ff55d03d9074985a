/**
 * Stands in for the mail of Microsoft Graph: sendMail, drafts, attachments and upload sessions, checked as the
 * documentation says, with Graph's limits of a mailbox. Fails on demand, and remembers what it sent.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { endOfWait, makeFaults, type Faults } from "./faults.ts";
import { checkSending, fileOf, readFile, readJson, readMime, Refused, type GraphMail } from "./graph-mail.ts";
import type { Grant, LoginStandIn } from "./login.ts";
import { isRecord } from "./sendgrid-rules.ts";

export type Step = "sendMail" | "draft" | "attach" | "session" | "upload" | "uploaded" | "send" | "delete";

export interface Sent extends GraphMail {
  /** Milliseconds since the start of the process, when the request came. */
  at: number;
  mailbox: string;
  /** The application. */
  clientId: string;
  saved: boolean;
  by: "sendMail" | "draft";
}

export interface GraphEntry {
  at: number;
  step: Step | undefined;
  mailbox: string;
  /** 0: no answer. */
  status: number;
  bytes: number;
}

export interface GraphStandIn extends Pick<Faults<Step>, "next" | "always"> {
  /** What GRAPH_BASE_URL is. */
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  /** Every request. */
  readonly ledger: readonly GraphEntry[];
  readonly sent: readonly Sent[];
  /** Drafts that were neither sent nor deleted. */
  readonly drafts: number;
  /** Requests that came over the limits of a mailbox, and were refused for that. */
  readonly tooMany: { atOnce: number; inAMinute: number };
  copies(mailId: string): Sent[];
  steps(): (Step | undefined)[];
  reset(): void;
  close(): Promise<void>;
}

interface Draft {
  mail: GraphMail;
  mailbox: string;
}

interface Session {
  draft: Draft;
  name: string;
  contentType: string | undefined;
  contentId: string | undefined;
  size: number;
  content: Buffer[];
  next: number;
}

/** https://learn.microsoft.com/graph/api/user-sendmail, and /graph/outlook-large-attachments */
const largestRequest = 4 * 2 ** 20;
const smallestSession = 3_000_000;
const chunkUnit = 320 * 1024;
/** https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits, and Exchange Online's sending limits */
const limits = { atOnce: 4, inAMinute: 30 };

const routes: [method: string, path: RegExp, step: Step][] = [
  ["POST", /^\/sendMail$/, "sendMail"],
  ["POST", /^\/messages$/, "draft"],
  ["POST", /^\/messages\/([^/]+)\/attachments$/, "attach"],
  ["POST", /^\/messages\/([^/]+)\/attachments\/createUploadSession$/, "session"],
  ["POST", /^\/messages\/([^/]+)\/send$/, "send"],
  ["DELETE", /^\/messages\/([^/]+)$/, "delete"],
];

export async function startGraph(login: Pick<LoginStandIn, "grantOf">): Promise<GraphStandIn> {
  const ledger: GraphEntry[] = [];
  const sent: Sent[] = [];
  const drafts = new Map<string, Draft>();
  const sessions = new Map<string, Session>();
  const busy = new Map<string, number>();
  const departures = new Map<string, number[]>();
  const faults = makeFaults<Step>();
  const tooMany = { atOnce: 0, inAMinute: 0 };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const { pathname } = new URL(request.url ?? "", origin);
    const [, mailbox = "", rest = ""] = /^\/v1\.0\/users\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    const [, , step] = routes.find(([method, path]) => request.method === method && path.test(rest)) ?? [];
    const uploading = pathname.startsWith("/upload/");
    const entry: GraphEntry = { at, step, mailbox: decodeURIComponent(mailbox), status: 0, bytes: 0 };
    if (uploading) entry.step = request.method === "PUT" ? "upload" : "uploaded";
    ledger.push(entry);
    const key = entry.mailbox || pathname;
    busy.set(key, (busy.get(key) ?? 0) + 1);
    try {
      const body = await readAll(request);
      entry.bytes = body.length;
      const fault = entry.step && faults.take(entry.step);
      await endOfWait(fault);
      if (fault?.kind === "silence") return await once(request.socket, "close").then(() => undefined);
      if (fault?.kind === "reset" && fault.when === "read") return void request.socket.resetAndDestroy();
      const result =
        fault?.kind === "status"
          ? refusal(fault.status, fault.code ?? "UnknownError", fault.message ?? "A fault of its own.", fault.headers)
          : handle({ entry, request, body, rest, pathname });
      if (fault?.kind === "reset") return void request.socket.resetAndDestroy();
      entry.status = result.status;
      response.writeHead(result.status, { "content-type": "application/json", ...result.headers });
      response.end(result.body === undefined ? "" : JSON.stringify(result.body));
    } finally {
      busy.set(key, (busy.get(key) ?? 1) - 1);
    }
  }

  interface Incoming {
    entry: GraphEntry;
    request: IncomingMessage;
    body: Buffer;
    rest: string;
    pathname: string;
  }
  interface Result {
    status: number;
    body?: unknown;
    headers?: Record<string, string> | undefined;
  }

  function refusal(status: number, code: string, message: string, headers?: Record<string, string>): Result {
    return { status, headers, body: { error: { code, message, innerError: { "request-id": randomUUID() } } } };
  }

  function handle(incoming: Incoming): Result {
    try {
      return incoming.entry.step?.startsWith("upload") ? upload(incoming) : call(incoming);
    } catch (error) {
      if (error instanceof Refused) return refusal(error.status, error.code, error.message);
      throw error;
    }
  }

  function call({ entry, request, body, rest }: Incoming): Result {
    const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    const grant = login.grantOf(token);
    if (!grant) throw new Refused(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.");
    if (grant.audience !== origin) throw new Refused(401, "InvalidAuthenticationToken", "Invalid audience.");
    if (!entry.step) throw new Refused(404, "ResourceNotFound", "Resource not found for the segment.");
    if (request.headers["transfer-encoding"]) throw new Refused(411, "LengthRequired", "A length is required.");
    if (body.length > largestRequest) throw new Refused(413, "ErrorRequestEntityTooLarge", "The request is too large.");
    if ((busy.get(entry.mailbox) ?? 0) > limits.atOnce) {
      tooMany.atOnce++;
      return refusal(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", {
        "retry-after": "1",
      });
    }
    const id = decodeURIComponent(/^\/messages\/([^/]+)/.exec(rest)?.[1] ?? "");
    return act(entry, grant, request.headers["content-type"] ?? "", body, id);
  }

  function act(entry: GraphEntry, grant: Grant, type: string, body: Buffer, id: string): Result {
    if (entry.step === "sendMail") {
      const { mail, save } = readMail(type, body, (content) => content["message"]);
      return depart(entry, grant, mail, "sendMail", save);
    }
    if (entry.step === "draft") {
      const { mail } = readMail(type, body, (content) => content);
      const draft = `AAMk=${randomUUID()}`;
      drafts.set(draft, { mail, mailbox: entry.mailbox });
      return { status: 201, body: { id: draft, isDraft: true } };
    }
    const draft = drafts.get(id);
    if (!draft || draft.mailbox !== entry.mailbox) {
      throw new Refused(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    }
    if (entry.step === "attach") {
      const file = readFile(json(type, body));
      if (file.size >= 3 * 2 ** 20)
        throw new Refused(413, "ErrorAttachmentSizeLimitExceeded", "Use an upload session.");
      draft.mail.attachments.push(file);
      return { status: 201, body: { id: randomUUID() } };
    }
    if (entry.step === "session") {
      const item = json(type, body)["AttachmentItem"];
      const { attachmentType, name, size, contentType, isInline, contentId } = isRecord(item) ? item : {};
      if (attachmentType !== "file" || typeof name !== "string" || typeof size !== "number") {
        throw new Refused(400, "BadRequest", "The AttachmentItem is not complete.");
      }
      if (size < smallestSession) {
        throw new Refused(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "The attachment is too small.");
      }
      const path = `/upload/${randomUUID()}`;
      const kind = typeof contentType === "string" ? contentType : undefined;
      const id = isInline === true && typeof contentId === "string" ? contentId : undefined;
      sessions.set(path, { draft, name, contentType: kind, contentId: id, size, content: [], next: 0 });
      return { status: 201, body: { uploadUrl: `${origin}${path}?authtoken=x`, nextExpectedRanges: ["0-"] } };
    }
    if (entry.step === "delete") {
      drafts.delete(id);
      return { status: 204 };
    }
    const result = depart(entry, grant, draft.mail, "draft", true);
    if (result.status === 202) drafts.delete(id);
    return result;
  }

  function upload({ entry, request, body, pathname }: Incoming): Result {
    if (request.headers.authorization) throw new Refused(401, "Unauthorized", "The address is signed in itself.");
    const session = sessions.get(pathname);
    if (!session) throw new Refused(404, "ErrorItemNotFound", "The upload session was not found.");
    const expected = { status: 200, body: { nextExpectedRanges: [String(session.next)] } };
    if (entry.step === "uploaded") return expected;
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(request.headers["content-range"] ?? "");
    const [start, end, total] = (range ?? []).slice(1).map(Number);
    if (start === undefined || end === undefined || total !== session.size || end - start + 1 !== body.length) {
      throw new Refused(400, "InvalidContentRange", "The Content-Range does not fit.");
    }
    if (Number(request.headers["content-length"]) !== body.length)
      throw new Refused(411, "LengthRequired", "No length.");
    if (start !== session.next) throw new Refused(416, "InvalidRange", "Upload the bytes in order.");
    if (body.length > largestRequest) throw new Refused(413, "ErrorRequestEntityTooLarge", "The range is too large.");
    if (end + 1 < total && body.length % chunkUnit > 0)
      throw new Refused(400, "InvalidRange", "Not a multiple of 320 KiB.");
    session.content.push(body);
    session.next = end + 1;
    if (session.next < total) return { status: 200, body: { nextExpectedRanges: [String(session.next)] } };
    sessions.delete(pathname);
    session.draft.mail.attachments.push(
      fileOf(session.name, session.contentType, Buffer.concat(session.content), session.contentId),
    );
    return { status: 201, headers: { location: `${origin}/attachments/${randomUUID()}` } };
  }

  function depart(entry: GraphEntry, grant: Grant, mail: GraphMail, by: Sent["by"], saved: boolean): Result {
    const { mailbox, at } = entry;
    checkSending(mail, mailbox);
    const recent = (departures.get(mailbox) ?? []).filter((time) => time > at - 60_000);
    if (recent.length >= limits.inAMinute) {
      tooMany.inAMinute++;
      const seconds = Math.ceil(((recent[0] ?? at) + 60_000 - at) / 1000);
      return refusal(429, "ErrorExceededMessageLimit", "Too many messages.", { "retry-after": String(seconds) });
    }
    departures.set(mailbox, [...recent, at]);
    sent.push({ ...mail, at, mailbox, clientId: grant.clientId, saved, by });
    return { status: 202 };
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    answer(request, response).catch(() => response.destroy()); // The client went away.
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const url = `${origin}/v1.0`;
  return {
    url,
    env: { GRAPH_BASE_URL: url },
    ledger,
    sent,
    tooMany,
    get drafts() {
      return drafts.size;
    },
    next: faults.next,
    always: faults.always,
    copies: (mailId) => sent.filter((mail) => mail.mailId === mailId),
    steps: () => ledger.map(({ step }) => step),
    reset() {
      ledger.length = 0;
      sent.length = 0;
      drafts.clear();
      sessions.clear();
      departures.clear();
      faults.clear();
      Object.assign(tooMany, { atOnce: 0, inAMinute: 0 });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readMail(
  type: string,
  body: Buffer,
  messageIn: (content: Record<string, unknown>) => unknown,
): { mail: GraphMail; save: boolean } {
  if (type.startsWith("text/plain")) return { mail: readMime(body.toString("latin1")), save: true };
  const content = json(type, body);
  return { mail: readJson(messageIn(content)), save: content["saveToSentItems"] !== false };
}

function json(type: string, body: Buffer): Record<string, unknown> {
  if (!type.startsWith("application/json")) throw new Refused(415, "UnsupportedMediaType", "JSON or MIME only.");
  try {
    const content: unknown = JSON.parse(body.toString());
    if (isRecord(content)) return content;
  } catch {
    // Said below.
  }
  throw new Refused(400, "BadRequest", "Unable to read JSON request payload.");
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
