/** Requests to Graph as one application, for one attempt at one mail. */
import type { Context } from "../../../runtime/context.ts";
import { PostFailure, type PostBody } from "../../resources/http-post.ts";
import { LoginFailure } from "../../resources/microsoft-tokens.ts";
import type { GraphAccount } from "../account.ts";
import type { ProviderAnswer } from "../classify.ts";
import { answerOf, type Reply } from "./answer.ts";
import { nothing } from "./body.ts";
import { largestRequest } from "./message.ts";

/** Ends an attempt before anything was sent, with the answer that says why. */
export class Ended extends Error {
  readonly answer: ProviderAnswer;
  constructor(answer: ProviderAnswer) {
    super("The attempt ended before the mail was sent");
    this.answer = answer;
  }
}

/** Ends an attempt for a reason that may pass. */
export function notSent(code: string, detail: string): Ended {
  return new Ended({ kind: "failure", code, connecting: true, detail });
}

export function outOfTime(): Ended {
  return notSent("ABORT_ERR", "The attempt's time was over before the mail was sent");
}

export interface GraphRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the mailbox (`/sendMail`); or a whole address, which is signed in itself and gets no token. */
  path: string;
  body?: PostBody;
  headers?: Record<string, string>;
  /** In place of the attempt's own. */
  signal?: AbortSignal;
}

export interface GraphSession {
  /** The answer to a step before sending. Throws `Ended` unless it has one of these statuses. */
  prepare(request: GraphRequest, statuses: readonly number[]): Promise<Reply>;
  /** The request that sends the mail, and what came of it. Throws `Ended` only where it was not written. */
  hand(request: GraphRequest): Promise<ProviderAnswer>;
  /** One request, whatever it answers. Throws `PostFailure` and `Ended`. */
  call(request: GraphRequest): Promise<Reply>;
}

/** A draft is answered with all that is in it. */
const largestAnswer = 2 * largestRequest;

/** Logs in, unless a token is there. Throws `Ended` when that fails. */
export async function openSession(
  { config, graph, microsoftTokens: tokens, signal }: Pick<Context, "config" | "graph" | "microsoftTokens" | "signal">,
  account: GraphAccount,
): Promise<GraphSession> {
  const { baseUrl } = config.graph;
  const scope = `${new URL(baseUrl).origin}/.default`;
  const mailbox = `${baseUrl}/users/${encodeURIComponent(account.mailbox)}`;
  let token = await logIn();
  let renewed = false;

  async function logIn(): Promise<string> {
    try {
      return await tokens.get(account, scope);
    } catch (error) {
      throw error instanceof LoginFailure ? new Ended(answerOfLogin(error)) : error;
    }
  }

  async function once(request: GraphRequest): Promise<Reply> {
    const { method, path, body = nothing } = request;
    const { status, headers, text } = await graph.request({
      method,
      url: new URL(ours(request) ? mailbox + path : path),
      headers: { ...request.headers, ...(ours(request) && { authorization: `Bearer ${token}` }) },
      body,
      signal: request.signal ?? signal,
      mostText: largestAnswer,
    });
    return { status, retryAfter: headers["retry-after"], body: parse(text) };
  }

  /** A token that is not taken is replaced once: it may have been revoked. */
  async function call(request: GraphRequest): Promise<Reply> {
    const reply = await once(request);
    if (reply.status !== 401 || renewed || !ours(request)) return reply;
    renewed = true;
    tokens.drop(token);
    token = await logIn();
    return once(request);
  }

  return {
    call,
    async prepare(request, statuses) {
      let reply: Reply;
      try {
        reply = await call(request);
      } catch (error) {
        if (error instanceof PostFailure) throw notSent(error.code, "The connection failed before the mail was sent");
        throw error;
      }
      if (!statuses.includes(reply.status)) throw new Ended({ ...answerOf(reply), nothingSent: true });
      return reply;
    },
    async hand(request) {
      if (signal.aborted) throw outOfTime();
      try {
        const reply = await call(request);
        if (reply.status === 202 || reply.status >= 300) return answerOf(reply);
        const detail = `Graph answered ${reply.status}, which says nothing of the mail`;
        return { kind: "failure", code: `http_${reply.status}`, connecting: false, detail };
      } catch (error) {
        if (!(error instanceof PostFailure)) throw error;
        const { code, progress } = error;
        if (progress === "sending") throw notSent(code, "The connection failed before the whole request was written");
        return { kind: "failure", code, connecting: progress === "connecting" };
      }
    },
  };
}

function ours({ path }: GraphRequest): boolean {
  return path.startsWith("/");
}

export function answerOfLogin({ kind, code, message, retryAfter }: LoginFailure): ProviderAnswer {
  if (kind === "transient") return { kind: "failure", code, connecting: true, detail: message };
  return { kind: "response", status: kind === "throttled" ? 429 : 401, code, retryAfter, detail: message };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Nothing, or a proxy's page.
  }
}
