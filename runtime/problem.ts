/** The one error class: everything that a caller is meant to see. Whatever else escapes becomes a bare 500. */

/** One fault of a request: where it is (`attachments[0].filename`) and what would be right. */
export interface Detail {
  field: string;
  message: string;
}

/** Where in a request something is wrong. */
export type RequestPart = "path" | "query" | "body";

export interface ProblemOptions {
  details?: readonly Detail[];
  /** The part of the request that the details are of, for styles that tell it. */
  part?: RequestPart | undefined;
  headers?: Readonly<Record<string, string>>;
  /** Logged, never shown. */
  cause?: unknown;
}

/** A kind of problem, declared once and listed in contracts; calling it makes the error to throw. */
export interface ProblemKind {
  (options?: ProblemOptions & { message?: string }): Problem;
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: readonly Detail[] | undefined;
  readonly part: RequestPart | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  /** `code` is the stable name that programs test; `message` is one sentence for a person and may change. */
  constructor(status: number, code: string, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.details = options.details;
    this.part = options.part;
    this.headers = options.headers;
  }

  /**
   * Declares a kind of problem.
   *
   * @example
   * export const mailNotFound = Problem.kind(404, "mail_not_found", "No mail has this id");
   * throw mailNotFound();
   */
  static kind(status: number, code: string, message: string): ProblemKind {
    const make = (options: ProblemOptions & { message?: string } = {}) =>
      new Problem(status, code, options.message ?? message, options);
    return Object.assign(make, { status, code, message });
  }
}

/** What the runtime itself answers, in every API's style. */
export const problems = {
  invalidRequest: Problem.kind(400, "invalid_request", "The request does not fit its contract"),
  invalidJson: Problem.kind(400, "invalid_json", "The body is not valid JSON"),
  forbidden: Problem.kind(403, "forbidden", "This is not for you"),
  notFound: Problem.kind(404, "not_found", "Nothing is served at this address"),
  methodNotAllowed: Problem.kind(405, "method_not_allowed", "This address does not take this method"),
  requestTooLarge: Problem.kind(413, "request_too_large", "The request body is too large"),
  unsupportedMediaType: Problem.kind(415, "unsupported_media_type", "Send the body as application/json"),
  overloaded: Problem.kind(503, "overloaded", "This function is at its limit of concurrent calls; try again shortly"),
  unavailable: Problem.kind(503, "service_unavailable", "A service that this needs is away; try again shortly"),
  timeLimit: Problem.kind(504, "time_limit", "The call took longer than its time limit"),
  internal: Problem.kind(500, "internal_error", "Something went wrong on our side; it has been logged"),
};
