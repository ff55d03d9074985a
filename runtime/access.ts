/** Who may call an HTTP function. The runtime only runs these; what a caller is, is the application's affair. */
import type { Logger, Resources } from "./context.ts";
import type { ProblemKind } from "./problem.ts";

/** What an access rule may look at. Header names are lower case. */
export interface AccessRequest {
  header(name: string): string | undefined;
  readonly ip: string | undefined;
  /** To be set as soon as it is known who calls: so that a call that is then refused is told with its caller. */
  caller?: unknown;
}

export interface Access<Caller> {
  /** Shown by `fn list`: `anyone`, `mail:send`, … */
  readonly name: string;
  /** The OpenAPI security scheme that it needs, when it needs one. */
  readonly scheme?: { readonly name: string; readonly definition: Readonly<Record<string, unknown>> };
  /** Kinds of problem that it may throw, for the documentation. */
  readonly problems?: readonly ProblemKind[];
  /** Returns who calls, or throws a `Problem`. Runs before the body is read. */
  check(request: AccessRequest, resources: Resources & { log: Logger }): Caller | Promise<Caller>;
  /**
   * Looks at the body as it was sent, before it is parsed, and throws what it has against it: for a signature over its
   * bytes. All of such a body is in memory: give the contract a `bodyLimit` that it deserves.
   */
  checkBody?(body: Buffer, request: AccessRequest, resources: Resources & { log: Logger }): void | Promise<void>;
}

/** No credentials asked. */
export const anyone: Access<undefined> = { name: "anyone", check: () => undefined };
