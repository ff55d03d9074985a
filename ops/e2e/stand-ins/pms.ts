/** Stands in for the hotel's PMS: pages of guests and stays by what has changed since, which it fails at on demand. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { makeFaults, type Faults } from "./faults.ts";

export type PmsPath = "members" | "consumption-records";

/** Any fields: a PMS has what it has. */
export interface PmsRecord {
  id: unknown;
  updated_at: unknown;
  [field: string]: unknown;
}

export interface PmsRequest {
  path: PmsPath;
  updatedSince: string | null;
  cursor: string | null;
  limit: number;
}

export interface PmsStandIn {
  readonly url: string;
  readonly key: string;
  /** What was asked for, in the order of arrival, and whatever came of it. */
  readonly requests: readonly PmsRequest[];
  readonly faults: Faults<PmsPath>;
  /** Adds records, or others in place of those with the same id. */
  put(path: PmsPath, ...records: PmsRecord[]): void;
  /** Largest page, whatever is asked for. */
  pageSize: number;
  /** Answers the next request with this text. */
  say(text: string): void;
  /** Keeps all requests waiting until the returned function is called. */
  hold(): () => void;
  reset(): void;
  close(): Promise<void>;
}

export async function startPms(): Promise<PmsStandIn> {
  const key = "the key of the PMS";
  const records = { members: new Map<unknown, PmsRecord>(), "consumption-records": new Map<unknown, PmsRecord>() };
  const requests: PmsRequest[] = [];
  const faults = makeFaults<PmsPath>();
  const texts: string[] = [];
  let held: Promise<void> | undefined;
  const standIn = { pageSize: 1000 };

  function pageOf({ path, updatedSince, cursor, limit }: PmsRequest): unknown {
    const since = updatedSince === null ? -Infinity : Date.parse(updatedSince);
    const changed = [...records[path].values()].filter(({ updated_at: time }) => !(Date.parse(String(time)) < since));
    const from = cursor === null ? 0 : Number(Buffer.from(cursor, "base64url").toString());
    const next = from + Math.min(limit, standIn.pageSize);
    const next_cursor = next < changed.length ? Buffer.from(String(next)).toString("base64url") : null;
    return { items: changed.slice(from, next), next_cursor };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? "", "http://pms");
    const reply = (status: number, text: string, headers: Record<string, string> = {}) =>
      void response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
    const path = pathname.slice("/api/".length);
    if (request.headers["x-api-key"] !== key) return reply(401, `{"error":"invalid api key"}`);
    if (request.method !== "GET" || (path !== "members" && path !== "consumption-records")) return reply(404, "{}");
    const limit = Number(query.get("limit"));
    const asked = { path, updatedSince: query.get("updated_since"), cursor: query.get("cursor"), limit } as const;
    requests.push(asked);
    await held;
    const fault = faults.take(path);
    if (fault?.kind === "status") return reply(fault.status, fault.message ?? "{}", fault.headers);
    if (fault?.kind === "reset") return void request.socket.resetAndDestroy();
    if (fault?.kind === "silence") return;
    const text = texts.shift();
    if (text !== undefined) return reply(200, text);
    if (!(limit >= 1)) return reply(400, `{"error":"limit"}`);
    reply(200, JSON.stringify(pageOf(asked)));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return Object.assign(standIn, {
    url: `http://127.0.0.1:${port}/api`,
    key,
    requests,
    faults,
    put: (path: PmsPath, ...given: PmsRecord[]) => given.forEach((record) => records[path].set(record.id, record)),
    say: (text: string) => void texts.push(text),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
    reset() {
      for (const kind of Object.values(records)) kind.clear();
      requests.length = 0;
      texts.length = 0;
      faults.clear();
      standIn.pageSize = 1000;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
