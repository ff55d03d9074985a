/**
 * Stands in for LINE's Messaging API: checks requests as its published contract and reference say, answers in its shapes,
 * keeps what LINE keeps (retry keys, the quota, who has blocked the account), fails on demand, and remembers who got what.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { endOfWait, makeFaults, type Fault, type Faults } from "./faults.ts";
import { makeAccount, refused, type Account, type LineReply, type SendStep } from "./line-account.ts";
import { planFaults, type FaultPlan } from "./line-plan.ts";

export type LineStep = SendStep | "read";

/** One request, in the order of arrival. */
export interface LineEntry {
  /** Milliseconds since the start of the process. */
  at: number;
  step: LineStep | undefined;
  path: string;
  retryKey: string | undefined;
  requestId: string;
  /** Of the answer; 0: none. */
  status: number;
}

export interface LineStandIn
  extends Omit<Account, "send" | "get" | "clear">, Pick<Faults<LineStep>, "next" | "always"> {
  /** What LINE_API_BASE_URL is. */
  readonly url: string;
  readonly token: string;
  /** Signs webhooks. */
  readonly secret: string;
  readonly env: Readonly<Record<string, string>>;
  /** Everything that arrived; the last 10,000 where messages are not kept. */
  readonly requests: readonly LineEntry[];
  /** Answers by step and status: `{"push 200": 3}`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Requests being answered now. */
  readonly busy: number;
  /** Faults by chance for pushes and multicasts that no `next` or `always` is there for. */
  plan(plan: FaultPlan | undefined): void;
  /** Forgets everything. */
  reset(): void;
  close(): Promise<void>;
}

export interface LineStandInOptions {
  port?: number;
  token?: string;
  secret?: string;
  /** Default true; without, a million users cost about 200 MB. */
  keepMessages?: boolean;
  /** Answers what is no request of LINE's API. */
  other?: (request: IncomingMessage, body: Buffer) => LineReply | undefined;
}

/** https://developers.line.biz/en/reference/messaging-api/#status-codes: 413 beyond it */
const largestRequest = 2 * 2 ** 20;
const mostEntries = 10_000;
const steps: Readonly<Record<string, SendStep>> = {
  "/v2/bot/message/push": "push",
  "/v2/bot/message/multicast": "multicast",
  "/v2/bot/message/reply": "reply",
};

export async function startLine(options: LineStandInOptions = {}): Promise<LineStandIn> {
  const { port = 0, keepMessages = true } = options;
  const token = options.token ?? randomBytes(24).toString("base64");
  const secret = options.secret ?? randomBytes(16).toString("hex");
  const account = makeAccount(keepMessages);
  const faults = makeFaults<LineStep>();
  const requests: LineEntry[] = [];
  let answers: Record<string, number> = {};
  let chance: (() => Fault | undefined) | undefined;
  let busy = 0;
  let count = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const [path = "", query] = (request.url ?? "").split("?");
    const other = options.other?.(request, body);
    if (other) return write(response, other, {});
    const retryKey = request.headers["x-line-retry-key"]?.toString();
    // Tells its place, so that a million of them are not kept.
    const requestId = `00000000-0000-4000-8000-${(++count).toString(16).padStart(12, "0")}`;
    const step = request.method === "GET" ? "read" : Object.hasOwn(steps, path) ? steps[path] : undefined;
    const entry: LineEntry = { at: performance.now(), step, path, retryKey, requestId, status: 0 };
    requests.push(entry);
    if (!keepMessages && requests.length > mostEntries) requests.splice(0, mostEntries / 2);

    const fault = step && (faults.take(step) ?? (step === "push" || step === "multicast" ? chance?.() : undefined));
    await endOfWait(fault);
    const isLost = fault?.kind === "reset" || fault?.kind === "silence";
    const reply =
      isLost && fault.when !== "accepted"
        ? undefined
        : fault?.kind === "status"
          ? { ...refused(fault.status, fault.message ?? "A fault of its own"), headers: fault.headers ?? {} }
          : handle(request, { step, path, query, body, retryKey, requestId });
    const outcome = `${step ?? "unknown"} ${isLost ? "lost" : (reply?.status ?? 0)}`;
    answers[outcome] = (answers[outcome] ?? 0) + 1;
    if (fault?.kind === "silence") return void (await once(request.socket, "close"));
    if (fault?.kind === "reset" || !reply) return void request.socket.resetAndDestroy();
    entry.status = reply.status;
    write(response, reply, { "x-line-request-id": requestId });
  }

  function handle(
    request: IncomingMessage,
    given: Pick<LineEntry, "step" | "path" | "retryKey" | "requestId"> & { query: string | undefined; body: Buffer },
  ): LineReply {
    const { step, path, body, retryKey, requestId } = given;
    if (request.headers.authorization !== `Bearer ${token}`) {
      const reason = "Confirm that the access token in the authorization header is valid.";
      return refused(401, `Authentication failed. ${reason}`);
    }
    if (step === undefined) return refused(404, "Not found");
    if (step === "read") return account.get(path, new URLSearchParams(given.query));
    if (request.method !== "POST") return refused(405, "Method not allowed");
    const type = request.headers["content-type"] ?? "";
    if (!/^application\/json\b/i.test(type)) return refused(415, `The content type, ${type}, is not supported`);
    if (body.length > largestRequest) return refused(413, "Payload Too Large");
    const parsed = parse(body);
    if (parsed === undefined) {
      return refused(400, "The request body could not be parsed as JSON (line: 1, column: 1)");
    }
    return account.send(step, parsed, body.length, retryKey, requestId);
  }

  const server = createServer((request, response) => {
    busy++;
    answer(request, response)
      .catch(() => response.destroy()) // The client went away: the entry says how far it came.
      .finally(() => busy--);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : port}`;

  return {
    ...account,
    url,
    token,
    secret,
    env: {
      LINE_API_BASE_URL: url,
      LINE_DATA_BASE_URL: url,
      LINE_CHANNEL_ACCESS_TOKEN: token,
      LINE_CHANNEL_SECRET: secret,
    },
    requests,
    get answers() {
      return answers;
    },
    get busy() {
      return busy;
    },
    next: faults.next,
    always: faults.always,
    plan: (plan) => void (chance = plan && planFaults(plan)),
    reset() {
      account.clear();
      faults.clear();
      chance = undefined;
      requests.length = 0;
      answers = {};
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function write(response: ServerResponse, reply: LineReply, headers: Record<string, string>): void {
  const text = JSON.stringify(reply.body);
  const length = Buffer.byteLength(text);
  response.writeHead(reply.status, {
    "content-type": "application/json",
    "content-length": length,
    ...headers,
    ...reply.headers,
  });
  response.end(text);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
