/** The `http` builder: a route, its contract, its handler. */
import type { Static, TSchema } from "typebox";
import type { Access } from "./access.ts";
import type { Context, Setting } from "./context.ts";
import type { Limits } from "./limits.ts";
import type { ProblemKind } from "./problem.ts";
import { problemDetails, type Style } from "./style.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a schema's values look like to the handler; `undefined` where the contract names no schema. */
type Given<S> = S extends TSchema ? Static<S> : undefined;

/** Takes a large string of a body as it comes, so that it never is in memory. */
export interface StringSink {
  /** The next bytes of the string: UTF-8, JSON's escapes undone. They are good until the promise settles; then comes the next. */
  write(piece: Buffer): Promise<void>;
  /** The string is complete. */
  end(): Promise<void>;
  /** The call is over, whatever came of it: what its handler has not taken elsewhere goes. */
  discard(): Promise<void>;
}

export interface LargeStrings<Sink extends StringSink> {
  /** The property whose strings may be large, wherever in the body it is. */
  key: string;
  /** How many bytes of such a string, as it was sent, stay in memory; one that is longer goes to a sink from its first byte. */
  over: number;
  open(ctx: Context): Sink;
}

/** A file of a form, on disk until the call is over: what is to stay is copied or moved by then. */
export interface UploadedFile {
  readonly path: string;
  readonly bytes: number;
  /** What the client says of it. */
  readonly filename: string | undefined;
  readonly contentType: string;
}

/** A file that a form must have. */
export interface FilePart {
  maxBytes: Setting<number>;
  description?: string;
}

export type FileParts = Readonly<Record<string, FilePart>>;

export interface HttpRequest<
  Caller = unknown,
  P = unknown,
  Q = unknown,
  B = unknown,
  Sink = StringSink,
  F extends string = string,
> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** What the contract's `access` returned. */
  readonly caller: Caller;
  /** `HEAD` where a route of GET is asked for its headers alone. */
  readonly method: string;
  /** A request header by its lower-case name. */
  header(name: string): string | undefined;
  readonly ip: string | undefined;
  /** The files of a form, by their names. */
  readonly files: Readonly<Record<F, UploadedFile>>;
  /** SHA-256 of a JSON body as it was sent, in hex; empty without one. Tells a repeated request from a changed one. */
  bodyHash(): string;
  /** The sink that took a large string, by the text that stands in its place; undefined for a text that is itself. */
  readonly large: (text: string) => Sink | undefined;
}

export interface HttpContract<
  Caller,
  P extends TSchema | undefined,
  Q extends TSchema | undefined,
  B extends TSchema | undefined,
  R extends TSchema,
  S extends number,
  Sink extends StringSink = StringSink,
  F extends FileParts = FileParts,
> extends Limits {
  /** One line for the API documentation. */
  summary?: string;
  description?: string;
  /** Groups the route in the documentation. Default: the function's folder. */
  tag?: string;
  access: Access<Caller>;
  /** An object schema for the path's parameters. Text is turned into numbers and booleans where the schema asks for them. */
  params?: P;
  query?: Q;
  /** JSON body; with `files`, the texts of the form, turned into numbers and booleans as those of a query. */
  body?: B;
  /** The body is a form (multipart/form-data) with these files, each once. They wait on disk, and go when the call ends. */
  files?: F;
  /** Largest body in bytes. Default: the runtime's. */
  bodyLimit?: Setting<number>;
  /** Strings of the body that are too large for memory. The handler gets to what took them by `request.large`. */
  largeStrings?: LargeStrings<Sink>;
  /** The reply of a success. */
  returns: R;
  /** Status of a success, or a list of which `reply` picks one. Default 200. */
  status?: S | readonly S[];
  /** Kinds of problem that it may answer, for the documentation. */
  problems?: readonly ProblemKind[];
  /** Request and response headers worth documenting, with what they mean. */
  headers?: { request?: Readonly<Record<string, string>>; reply?: Readonly<Record<string, string>> };
}

/** A reply with a status or headers of its own; a handler that needs neither returns the body alone. */
export class Reply<S extends number, B> {
  readonly status: S;
  readonly body: B;
  readonly headers: Readonly<Record<string, string>> | undefined;
  constructor(status: S, body: B, headers?: Readonly<Record<string, string>>) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** Answers with one of the contract's statuses, and headers where needed. */
export function reply<S extends number, B>(status: S, body: B, headers?: Readonly<Record<string, string>>) {
  return new Reply(status, body, headers);
}

/** Sends the client to another address. The contract names the status, and `returns: Type.Undefined()`. */
export function redirect<S extends 301 | 302 | 303 | 307 | 308 = 302>(to: string | URL, status?: S) {
  // Parsed: so that nothing but an address gets into the header.
  return new Reply((status ?? 302) as S, undefined, { location: new URL(to).href });
}

/** A mounted route as the host sees it: contract and handler without their particular types. */
export interface HttpFunction {
  readonly kind: "http";
  readonly method: Method;
  readonly path: string;
  readonly style: Style;
  readonly contract: HttpContract<
    unknown,
    TSchema | undefined,
    TSchema | undefined,
    TSchema | undefined,
    TSchema,
    number
  >;
  handler(request: HttpRequest, ctx: Context): unknown;
}

function route(method: Method, style: Style) {
  /** Two steps on purpose: the contract's types are fixed before the handler is checked against them. */
  return <
    Caller,
    R extends TSchema,
    P extends TSchema | undefined = undefined,
    Q extends TSchema | undefined = undefined,
    B extends TSchema | undefined = undefined,
    const S extends number = 200,
    Sink extends StringSink = never,
    const F extends FileParts = Record<never, FilePart>,
  >(
    path: string,
    contract: HttpContract<Caller, P, Q, B, R, S, Sink, F>,
  ) => ({
    handle(
      handler: (
        request: HttpRequest<Caller, Given<P>, Given<Q>, Given<B>, Sink, keyof F & string>,
        ctx: Context,
      ) => Promise<Static<R> | Reply<S, Static<R>>> | Static<R> | Reply<S, Static<R>>,
    ): HttpFunction {
      // The border where types end: the host passes only what it has checked against this contract.
      return { kind: "http", method, path, style, contract, handler } as unknown as HttpFunction;
    },
  });
}

function withStyle(style: Style) {
  return {
    get: route("GET", style),
    post: route("POST", style),
    put: route("PUT", style),
    patch: route("PATCH", style),
    delete: route("DELETE", style),
    /** The same builder with another style: `export const mailApi = http.style(mailStyle)`. */
    style: withStyle,
  };
}

/**
 * Makes an HTTP function.
 *
 * @example
 * export default http
 *   .get("/hello/:name", { access: anyone, params: Type.Object({ name: Type.String() }), returns: Greeting })
 *   .handle(async ({ params }) => ({ greeting: `Hello, ${params.name}` }));
 */
export const http = withStyle(problemDetails);
