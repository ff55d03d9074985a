/** Replies as the server sends them fastest: a status, headers and a text. */
import { FastResponse } from "srvx";
import type { Problem } from "../problem.ts";
import type { Style } from "../style.ts";

/** A web `Response` that still knows what it was made of, so that the server need not take it apart. */
export class Answer extends FastResponse {
  /** Null: no body. */
  readonly payload: string | null;
  readonly code: number;
  readonly fields: Record<string, string>;

  constructor(code: number, fields: Record<string, string>, payload: string | null) {
    super(payload, { status: code, headers: fields });
    this.code = code;
    this.fields = fields;
    this.payload = payload;
  }
}

/** Whether a response is one of these. Its class cannot tell: srvx's responses pass for instances of each other. */
export function isAnswer(response: Response): response is Answer {
  return "payload" in response;
}

/** Tells a caller of a problem, in the style of the API that it called. */
export function problemAnswer(style: Style, problem: Problem, id: string): Answer {
  const fields = { "content-type": style.problemContentType, "x-request-id": id, ...problem.headers };
  return new Answer(problem.status, fields, JSON.stringify(style.problem(problem)));
}

export function jsonAnswer(status: number, body: unknown): Answer {
  return new Answer(status, { "content-type": "application/json; charset=utf-8" }, JSON.stringify(body));
}
