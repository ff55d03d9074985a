/** The hotel's property management system: pages of what has changed there. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { PostFailure, post } from "./http-post.ts";

/** As the path has it. */
export type PmsKind = "members" | "consumption-records";

export interface PmsQuery {
  /** Null: everything. */
  updatedSince: Date | null;
  /** Of the page before; null: the first page. */
  cursor: string | null;
  /** Records on a page, at most. */
  limit: number;
}

const Page = Type.Object({
  items: Type.Array(Type.Unknown()),
  next_cursor: Type.Optional(Type.Union([Type.String({ maxLength: 2000 }), Type.Null()])),
});
/** Records as they came. */
export type PmsPage = Static<typeof Page>;

export interface Pms {
  /** Throws `PmsFault` without a usable answer. */
  page(kind: PmsKind, query: PmsQuery, signal: AbortSignal): Promise<PmsPage>;
  close(): Promise<void>;
}

/** There was no usable answer. Tells nothing of what was in it. */
export class PmsFault extends Error {
  override name = "PmsFault";
  readonly code: string;
  /** Whether it may go well another time. */
  readonly isPassing: boolean;

  constructor(code: string, isPassing: boolean, cause?: unknown) {
    super(`The PMS did not answer as it should: ${code}`, { cause });
    this.code = code;
    this.isPassing = isPassing;
  }
}

const nothing = Buffer.alloc(0);
const answerLimitMs = 30_000;
/** Characters of a page: a record has some 300. */
const mostText = 8 * 2 ** 20;

export function openPms({ baseUrl, apiKey }: { baseUrl: string; apiKey: string | undefined }): Pms {
  const Agent = baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, timeout: 10_000 });
  const headers = { accept: "application/json", ...(apiKey !== undefined && { "x-api-key": apiKey }) };
  return {
    async page(kind, { updatedSince, cursor, limit }, signal) {
      const url = new URL(`${baseUrl}/${kind}`);
      if (updatedSince) url.searchParams.set("updated_since", updatedSince.toISOString());
      if (cursor !== null) url.searchParams.set("cursor", cursor);
      url.searchParams.set("limit", String(limit));
      const within = AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
      const given = { method: "GET", url, headers, body: nothing, agent, signal: within, mostText } as const;
      const { status, text } = await post(given).catch((error: unknown) => {
        if (error instanceof PostFailure) throw new PmsFault(error.code, true, error);
        throw error;
      });
      if (status !== 200) throw new PmsFault(`http_${status}`, status >= 500 || [408, 425, 429].includes(status));
      const page = parsed(text);
      if (!Value.Check(Page, page)) throw new PmsFault("unexpected_answer", true);
      return page;
    },
    async close() {
      agent.destroy();
    },
  };
}

/** Undefined for what is no JSON: a page of a proxy, or half an answer. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
