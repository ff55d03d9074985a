/** What LINE tells on request: profiles, the month's quota, insight. */
import type { Agent } from "node:http";
import { Type, type Static, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { PostFailure, post } from "./http-post.ts";

export interface LineQuota {
  /** Messages a month; null: as many as one pays for. */
  limit: number | null;
  /** Of this month, by LINE's count. */
  used: number;
  /** Null without a limit; never below 0. */
  remaining: number | null;
}

const Figure = Type.Optional(Type.Union([Type.Integer(), Type.Null()]));

/**
 * LINE leaves a figure out (null) where it would tell of too few people: null is "not told", never 0.
 * https://developers.line.biz/en/reference/messaging-api/#get-insight
 */
const Insight = Type.Object({
  overview: Type.Object({
    requestId: Type.Optional(Type.String()),
    timestamp: Type.Optional(Type.Integer()),
    delivered: Figure,
    uniqueImpression: Figure,
    uniqueClick: Figure,
    uniqueMediaPlayed: Figure,
    uniqueMediaPlayed100Percent: Figure,
  }),
  messages: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  clicks: Type.Array(Type.Record(Type.String(), Type.Unknown())),
});
export type LineInsight = Static<typeof Insight>;
/** Of a message; empty until there is something to tell. */
const MessageInsight = Type.Partial(Insight);

const Profile = Type.Object({
  userId: Type.String(),
  displayName: Type.String(),
  pictureUrl: Type.Optional(Type.String()),
  statusMessage: Type.Optional(Type.String()),
  language: Type.Optional(Type.String()),
});
export type LineProfile = Static<typeof Profile>;

const Limit = Type.Object({ type: Type.String(), value: Type.Optional(Type.Integer()) });
const Consumption = Type.Object({ totalUsage: Type.Integer() });

export interface LineReader {
  /**
   * Undefined for whom LINE tells nothing: unknown, not a friend, has blocked the account or not agreed to it.
   * This and the following throw `LineUnavailable` without a usable answer.
   */
  profile(userId: string, signal?: AbortSignal): Promise<LineProfile | undefined>;
  /** The month's messages. LINE's count lags behind what was just sent. */
  quota(signal?: AbortSignal): Promise<LineQuota>;
  /** Of an aggregation unit (pushes and multicasts), for days in LINE's zone, `yyyyMMdd`, at most 30 apart. */
  unitInsight(unit: string, from: string, to: string, signal?: AbortSignal): Promise<LineInsight>;
  /** Of one broadcast or narrowcast; undefined while or when there is none. */
  messageInsight(requestId: string, signal?: AbortSignal): Promise<LineInsight | undefined>;
}

/** LINE did not answer a question, or not as it should. */
export class LineUnavailable extends Error {
  override name = "LineUnavailable";
  /** 0 where there was no answer. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, cause?: unknown) {
    super(`LINE did not tell: ${code}`, { cause });
    this.status = status;
    this.code = code;
  }
}

const readLimitMs = 10_000;
const nothing = Buffer.alloc(0);
/** The insight of a carousel lists every card. */
const mostText = 1_000_000;

export function openLineReader(open: { authorization: string; baseUrl: string; agent: Agent }): LineReader {
  const { baseUrl, agent } = open;
  const headers = { authorization: open.authorization };

  /** Undefined for 404. */
  async function read<T extends TSchema>(
    path: string,
    schema: T,
    signal: AbortSignal = AbortSignal.timeout(readLimitMs),
  ): Promise<Static<T> | undefined> {
    const url = new URL(`${baseUrl}${path}`);
    const answer = await post({ method: "GET", url, headers, body: nothing, agent, signal, mostText }).catch(
      (error: unknown) => {
        if (error instanceof PostFailure) throw new LineUnavailable(0, error.code, error);
        throw error;
      },
    );
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new LineUnavailable(answer.status, `http_${answer.status}`);
    const body = parsed(answer.text);
    if (!Value.Check(schema, body)) throw new LineUnavailable(200, "unexpected_answer");
    return body;
  }

  async function known<T extends TSchema>(path: string, schema: T, signal?: AbortSignal): Promise<Static<T>> {
    const body = await read(path, schema, signal);
    if (body === undefined) throw new LineUnavailable(404, "http_404");
    return body;
  }

  return {
    profile: (userId, signal) => read(`/v2/bot/profile/${encodeURIComponent(userId)}`, Profile, signal),
    async quota(signal) {
      const [{ type, value }, { totalUsage: used }] = await Promise.all([
        known("/v2/bot/message/quota", Limit, signal),
        known("/v2/bot/message/quota/consumption", Consumption, signal),
      ]);
      const limit = type === "limited" ? (value ?? null) : null;
      return { limit, used, remaining: limit === null ? null : Math.max(0, limit - used) };
    },
    unitInsight(unit, from, to, signal) {
      const query = new URLSearchParams({ customAggregationUnit: unit, from, to });
      return known(`/v2/bot/insight/message/event/aggregation?${query}`, Insight, signal);
    },
    async messageInsight(requestId, signal) {
      const query = new URLSearchParams({ requestId });
      const body = await read(`/v2/bot/insight/message/event?${query}`, MessageInsight, signal);
      return body?.overview && { overview: body.overview, messages: body.messages ?? [], clicks: body.clicks ?? [] };
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
