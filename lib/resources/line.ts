/** LINE's Messaging API: one official account's token, and connections that are kept. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { messagingApi } from "@line/bot-sdk";
import { PostFailure, post, type PostAnswer, type Progress } from "./http-post.ts";
import { openLineReader, type LineReader } from "./line-reads.ts";

/** 1 to 5 messages, or the same as JSON text: what has been written once is not written again for each member. */
export type LineMessages = readonly messagingApi.Message[] | { readonly json: string };

/** What LINE said to a message, whatever its status, or how far a request came that got no answer. */
export type LineAnswer =
  | {
      kind: "response";
      status: number;
      /** Of this request, for LINE's support and insight. */
      requestId: string | null;
      /** With 409: of the request that was accepted with the same retry key. */
      acceptedRequestId: string | null;
      retryAfter: string | undefined;
      /** JSON, or a proxy's page. */
      text: string;
    }
  | { kind: "failure"; code: string; progress: Progress };

export interface Line extends LineReader {
  /**
   * To one user. LINE accepts a retry key (a UUID) once and answers 409 for 24 hours after that, so the same request may
   * be repeated. `unit` counts the message in an aggregation unit, for its insight.
   */
  push(
    to: string,
    messages: LineMessages,
    retryKey: string,
    signal: AbortSignal,
    unit?: string | null,
  ): Promise<LineAnswer>;
  /** To at most 500 users at once; the rest as for `push`. */
  multicast(
    to: readonly string[],
    messages: LineMessages,
    retryKey: string,
    signal: AbortSignal,
    unit?: string | null,
  ): Promise<LineAnswer>;
  /** Answers an event, free of charge. A token works once and for about a minute; LINE takes no retry key here. */
  reply(replyToken: string, messages: LineMessages, signal?: AbortSignal): Promise<LineAnswer>;
  close(): Promise<void>;
}

export interface LineOptions {
  token: string;
  /** Without a slash at its end. */
  baseUrl: string;
  /** Connections at once. Default 100. */
  connections?: number;
  /** Milliseconds that LINE may be silent. Default 10,000. */
  silenceMs?: number;
}

/**
 * Milliseconds that an idle connection is kept. LINE does not say how long it keeps one; a `Keep-Alive` in its answers
 * would go before.
 */
const idleMs = 10_000;
/** 2,000 a second at 50 ms each. */
const defaultConnections = 100;
/** As LINE's SDK for Java. A retry key makes it harmless to have given up too early. */
const defaultSilenceMs = 10_000;
const replyLimitMs = 30_000;

/** The SDK's own client is not used: it keeps neither the headers of an answer nor how far a request came. */
export function openLine(options: LineOptions): Line {
  const { token, baseUrl, connections = defaultConnections, silenceMs = defaultSilenceMs } = options;
  const Agent = baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, maxSockets: connections, timeout: idleMs });
  const authorization = `Bearer ${token}`;
  const urls = {
    push: new URL(`${baseUrl}/v2/bot/message/push`),
    multicast: new URL(`${baseUrl}/v2/bot/message/multicast`),
    reply: new URL(`${baseUrl}/v2/bot/message/reply`),
  };

  async function send(url: URL, text: string, retryKey: string | null, signal: AbortSignal): Promise<LineAnswer> {
    const headers: Record<string, string> = { authorization, "content-type": "application/json" };
    if (retryKey !== null) headers["x-line-retry-key"] = retryKey;
    try {
      return answerOf(await post({ url, headers, body: Buffer.from(text), agent, signal, silenceMs }));
    } catch (error) {
      if (error instanceof PostFailure) return { kind: "failure", code: error.code, progress: error.progress };
      throw error;
    }
  }

  return {
    ...openLineReader({ authorization, baseUrl, agent }),
    push(to, messages, retryKey, signal, unit) {
      const text = `{"to":${JSON.stringify(to)},"messages":${jsonOf(messages)}${unitOf(unit)}}`;
      return send(urls.push, text, retryKey, signal);
    },
    multicast(to, messages, retryKey, signal, unit) {
      const text = `{"to":${JSON.stringify(to)},"messages":${jsonOf(messages)}${unitOf(unit)}}`;
      return send(urls.multicast, text, retryKey, signal);
    },
    reply(replyToken, messages, signal = AbortSignal.timeout(replyLimitMs)) {
      const text = `{"replyToken":${JSON.stringify(replyToken)},"messages":${jsonOf(messages)}}`;
      return send(urls.reply, text, null, signal);
    },
    async close() {
      agent.destroy();
    },
  };
}

function jsonOf(messages: LineMessages): string {
  return "json" in messages ? messages.json : JSON.stringify(messages);
}

function unitOf(unit: string | null | undefined): string {
  return unit ? `,"customAggregationUnits":[${JSON.stringify(unit)}]` : "";
}

function answerOf({ status, headers, text }: PostAnswer): LineAnswer {
  return {
    kind: "response",
    status,
    requestId: one(headers["x-line-request-id"]),
    acceptedRequestId: one(headers["x-line-accepted-request-id"]),
    retryAfter: headers["retry-after"],
    text,
  };
}

function one(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
