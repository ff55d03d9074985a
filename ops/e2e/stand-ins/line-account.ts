/** An official account at LINE: its friends, quota, retry keys, reply tokens, insight; and what it does with a message. */
import { randomBytes } from "node:crypto";
import { makeLedger, type LineLedger } from "./line-ledger.ts";
import { rateLimited } from "./line-plan.ts";
import { messageFaults, requestFaults, type Detail } from "./line-rules.ts";
import { isRecord } from "./sendgrid-rules.ts";

export type SendStep = "push" | "multicast" | "reply";

export interface LineReply {
  status: number;
  body: object;
  headers?: Record<string, string>;
}

export interface Account {
  readonly ledger: LineLedger;
  /** Get nothing, of which LINE tells nobody: the answer is 200. */
  readonly blocked: Set<string>;
  /** LINE gave nobody this id for the channel: refused, and named. Ids of another form are so without being in it. */
  readonly unknown: Set<string>;
  readonly profiles: Map<string, object>;
  /** By aggregation unit or request id. */
  readonly insights: Map<string, object>;
  /** `limit` null: none. */
  readonly quota: { limit: number | null; used: number };
  /** Requests a second; 0: any number. LINE's own: push 2,000, multicast 200. */
  readonly rates: { push: number; multicast: number };
  /** Keys that came again with another request, which LINE forbids. */
  readonly misusedKeys: Set<string>;
  /** `size`: of the body, in bytes. */
  send(step: SendStep, body: unknown, size: number, retryKey: string | undefined, requestId: string): LineReply;
  get(path: string, query: URLSearchParams): LineReply;
  /** For an event: works once. */
  replyToken(userId: string): string;
  /** 24 hours pass. */
  expireKeys(): void;
  clear(): void;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const isUserId = (id: string) => /^U[0-9a-f]{32}$/.test(id);
const noFigures = {
  overview: { uniqueImpression: null, uniqueClick: null, uniqueMediaPlayed: null, uniqueMediaPlayed100Percent: null },
  messages: [],
  clicks: [],
};

export function makeAccount(keepMessages: boolean): Account {
  const ledger = makeLedger(keepMessages);
  /** Of accepted requests: which, and for whom, so that another use of the key is seen. */
  const keys = new Map<string, { requestId: string; fingerprint: string; sent: number }>();
  const replyTokens = new Map<string, string>();
  let second = 0;
  const inSecond = { push: 0, multicast: 0 };

  /** A window of a second of the clock. */
  function isTooFast(step: "push" | "multicast"): boolean {
    const most = account.rates[step];
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) Object.assign(inSecond, { push: 0, multicast: 0 });
    second = now;
    return ++inSecond[step] > most && most > 0;
  }

  const account: Account = {
    ledger,
    blocked: new Set(),
    unknown: new Set(),
    profiles: new Map(),
    insights: new Map(),
    quota: { limit: null, used: 0 },
    rates: { push: 0, multicast: 0 },
    misusedKeys: new Set(),
    send(step, body, size, retryKey, requestId) {
      if (retryKey !== undefined && (step === "reply" || !uuid.test(retryKey))) {
        return refused(400, "Invalid retry key", [{ property: "X-Line-Retry-Key", message: "Invalid" }]);
      }
      if (step !== "reply" && isTooFast(step)) return refused(429, rateLimited);
      const faults = requestFaults(step, body);
      if (faults.length > 0 || !isRecord(body)) return refusedFor(faults);
      const given: unknown[] = Array.isArray(body["messages"]) ? body["messages"] : [];
      const wrong = messageFaults(given, size);
      if (wrong.length > 0) return refusedFor(wrong);

      const messages = given.filter(isRecord);
      const fingerprint = keepMessages ? JSON.stringify(body) : "";
      const before = retryKey === undefined ? undefined : keys.get(retryKey);
      if (retryKey !== undefined && before) {
        if (before.fingerprint !== fingerprint) account.misusedKeys.add(retryKey);
        const message = "The retry key is already accepted";
        const headers = { "x-line-accepted-request-id": before.requestId };
        return { status: 409, body: { message, ...sentMessages(step, before) }, headers };
      }

      const to = recipientsOf(step, body);
      if (typeof to === "string") return refused(400, to);
      const bad = to.flatMap((id, index) => (isUserId(id) && !account.unknown.has(id) ? [] : [index]));
      if (bad.length > 0) {
        const name = (index: number) => (step === "push" ? "to" : `to[${index}]`);
        return refusedFor(bad.map((index) => ({ property: name(index), message: "Invalid user ID" })));
      }
      const reached = account.blocked.size === 0 ? to : to.filter((id) => !account.blocked.has(id));
      const { limit, used } = account.quota;
      if (step !== "reply") {
        if (limit !== null && used + reached.length > limit)
          return refused(429, "You have reached your monthly limit.");
        account.quota.used += reached.length;
      }
      const units = body["customAggregationUnits"];
      const unit = Array.isArray(units) && typeof units[0] === "string" ? units[0] : null;
      ledger.add(
        { requestId, step, retryKey: retryKey ?? null, unit, messages: keepMessages ? messages : undefined },
        reached,
      );
      const accepted = { requestId, fingerprint, sent: messages.length };
      if (retryKey !== undefined) keys.set(retryKey, accepted);
      return ok(sentMessages(step, accepted));
    },
    get(path, query) {
      const [, userId] = /^\/v2\/bot\/profile\/([^/]+)$/.exec(path) ?? [];
      if (userId !== undefined) return profileOf(decodeURIComponent(userId));
      const { limit, used } = account.quota;
      switch (path) {
        case "/v2/bot/message/quota":
          return ok(limit === null ? { type: "none" } : { type: "limited", value: limit });
        case "/v2/bot/message/quota/consumption":
          return ok({ totalUsage: used });
        case "/v2/bot/insight/message/event":
          return ok(account.insights.get(query.get("requestId") ?? "") ?? {});
        case "/v2/bot/insight/message/event/aggregation": {
          const days = [query.get("from"), query.get("to")];
          if (days.some((day) => !/^\d{8}$/.test(day ?? ""))) return refused(400, "Invalid date");
          return ok(account.insights.get(query.get("customAggregationUnit") ?? "") ?? noFigures);
        }
        default:
          return refused(404, "Not found");
      }
    },
    replyToken(userId) {
      const token = randomBytes(16).toString("hex");
      replyTokens.set(token, userId);
      return token;
    },
    expireKeys: () => keys.clear(),
    clear() {
      ledger.clear();
      for (const all of [keys, replyTokens, account.profiles, account.insights]) all.clear();
      for (const all of [account.blocked, account.unknown, account.misusedKeys]) all.clear();
      Object.assign(account.quota, { limit: null, used: 0 });
      Object.assign(account.rates, { push: 0, multicast: 0 });
    },
  };

  function recipientsOf(step: SendStep, body: Record<string, unknown>): readonly string[] | string {
    if (step === "push") return [String(body["to"])];
    if (step === "multicast") return body["to"] as string[];
    const token = String(body["replyToken"]);
    const userId = replyTokens.get(token);
    replyTokens.delete(token);
    return userId === undefined ? "Invalid reply token" : [userId];
  }

  function profileOf(userId: string): LineReply {
    const isHidden = !isUserId(userId) || account.unknown.has(userId) || account.blocked.has(userId);
    if (isHidden) return refused(404, "Not found");
    const made = { userId, displayName: `User ${userId.slice(1, 7)}`, language: "zh-TW" };
    return ok(account.profiles.get(userId) ?? made);
  }
  return account;
}

/** The ids of messages follow from the request's. Of a multicast LINE tells none. */
function sentMessages(step: SendStep, { requestId, sent }: { requestId: string; sent: number }): object {
  if (step === "multicast") return {};
  const first = 460_000_000_000_000_000n + BigInt(Number.parseInt(requestId.slice(-12), 16)) * 10n;
  return { sentMessages: Array.from({ length: sent }, (_, index) => ({ id: String(first + BigInt(index)) })) };
}

const ok = (body: object): LineReply => ({ status: 200, body });

export function refused(status: number, message: string, details: readonly Detail[] = []): LineReply {
  return { status, body: { message, ...(details.length > 0 && { details }) } };
}

const refusedFor = (details: readonly Detail[]) =>
  refused(400, `The request body has ${details.length} error(s)`, details);
