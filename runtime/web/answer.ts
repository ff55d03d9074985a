/** Replies as plain data, which a server sends as they are and `fetch` turns into a `Response`. */
import { Readable } from "node:stream";
import type { Problem } from "../problem.ts";
import type { Style } from "../style.ts";

/** Null: no body. A stream is to be sent to its end, or destroyed. */
export type AnswerBody = string | Uint8Array<ArrayBuffer> | Readable | null;

export class Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: AnswerBody;

  constructor(status: number, headers: Record<string, string>, body: AnswerBody) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** Tells a caller of a problem, in the style of the API that it called. */
export function problemAnswer(style: Style, problem: Problem, id: string): Answer {
  const headers = { "content-type": style.problemContentType, "x-request-id": id, ...problem.headers };
  const status = style.problemStatus?.(problem) ?? problem.status;
  return new Answer(status, headers, JSON.stringify(style.problem(problem)));
}

export function jsonAnswer(status: number, body: unknown): Answer {
  return new Answer(status, { "content-type": "application/json; charset=utf-8" }, JSON.stringify(body));
}

export function toResponse({ status, headers, body }: Answer): Response {
  return new Response(body instanceof Readable ? webStream(body) : body, { status, headers });
}

function webStream(body: Readable): ReadableStream<Uint8Array<ArrayBuffer>> {
  return Readable.toWeb(body) as ReadableStream<Uint8Array<ArrayBuffer>>;
}
