/**
 * LINE's stand-in as a process of its own, for load: `node line-server.ts`, with PORT, LINE_CHANNEL_ACCESS_TOKEN and
 * LINE_CHANNEL_SECRET, and KEEP_MESSAGES=1 to keep what was sent. Says in one line of JSON where it is. Besides LINE's API:
 *
 *   GET  /stand-in                    what was answered and how many got how much
 *   GET  /stand-in/users/{id}         what somebody got
 *   POST /stand-in                    any of {quota, rates, plan, blocked, unknown, expireKeys, reset}
 */
import type { IncomingMessage } from "node:http";
import type { LineReply } from "./line-account.ts";
import type { FaultPlan } from "./line-plan.ts";
import { startLine, type LineStandIn } from "./line.ts";

interface Settings {
  quota?: { limit?: number | null; used?: number };
  rates?: { push?: number; multicast?: number };
  plan?: FaultPlan | null;
  blocked?: string[];
  unknown?: string[];
  expireKeys?: boolean;
  reset?: boolean;
}

export interface LineStanding {
  answers: Readonly<Record<string, number>>;
  users: number;
  copies: number;
  /** Users by how many deliveries they got. */
  histogram: Readonly<Record<number, number>>;
  misusedKeys: number;
  quota: { limit: number | null; used: number };
  busy: number;
}

function standing(line: LineStandIn): LineStanding {
  const { answers, ledger, misusedKeys, quota, busy } = line;
  const { users, copies } = ledger;
  return { answers, users, copies, histogram: ledger.histogram(), misusedKeys: misusedKeys.size, quota, busy };
}

function set(line: LineStandIn, given: Settings): void {
  if (given.reset) line.reset();
  if (given.expireKeys) line.expireKeys();
  Object.assign(line.quota, given.quota);
  Object.assign(line.rates, given.rates);
  if (given.plan !== undefined) line.plan(given.plan ?? undefined);
  for (const id of given.blocked ?? []) line.blocked.add(id);
  for (const id of given.unknown ?? []) line.unknown.add(id);
}

/** Answers for whoever runs a test in another process. */
export function control(line: LineStandIn, request: IncomingMessage, body: Buffer): LineReply | undefined {
  const [path = ""] = (request.url ?? "").split("?");
  const [, id] = /^\/stand-in(?:\/users\/([^/]+))?$/.exec(path) ?? [];
  if (id !== undefined)
    return { status: 200, body: { count: line.ledger.count(id), received: line.ledger.received(id) } };
  if (path !== "/stand-in") return undefined;
  if (request.method === "POST") set(line, JSON.parse(body.toString()) as Settings);
  return { status: 200, body: standing(line) };
}

if (import.meta.main) {
  const { PORT, LINE_CHANNEL_ACCESS_TOKEN: token, LINE_CHANNEL_SECRET: secret, KEEP_MESSAGES } = process.env;
  const line: LineStandIn = await startLine({
    port: Number(PORT ?? 0),
    ...(token && { token }),
    ...(secret && { secret }),
    keepMessages: KEEP_MESSAGES === "1",
    other: (request, body) => control(line, request, body),
  });
  console.log(JSON.stringify({ url: line.url, env: line.env }));
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void line.close().then(() => process.exit()));
}
