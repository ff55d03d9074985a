/** The `smtp` builder: a listener that takes mail. The trigger that mounts it comes with the SMTP listener. */
import type { Readable } from "node:stream";
import type { Context, Setting } from "./context.ts";
import type { Limits } from "./limits.ts";

/** Who may hand over mail. `check` returns the caller, or throws a `Problem`. */
export interface SmtpAccess<Caller> {
  readonly name: string;
  check(
    session: { readonly remoteAddress: string; readonly user?: string; readonly password?: string },
    ctx: Context,
  ): Caller | Promise<Caller>;
}

export interface SmtpContract<Caller> extends Limits {
  summary?: string;
  port: Setting<number>;
  tlsPort?: Setting<number>;
  access: SmtpAccess<Caller>;
  /** Largest message in bytes. */
  sizeLimit?: Setting<number>;
}

/** The SMTP envelope: it alone decides who gets the mail (RFC 5321, section 2.3.1). */
export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
}

export interface SmtpRequest<Caller = unknown> {
  readonly envelope: Envelope;
  /** The message as it arrives. Must be read to its end before the handler returns. */
  readonly message: Readable;
  readonly caller: Caller;
}

export interface SmtpFunction {
  readonly kind: "smtp";
  readonly contract: SmtpContract<unknown>;
  handler(request: SmtpRequest, ctx: Context): unknown;
}

/** Makes an SMTP function. What the handler returns is the text after `250`; the mail must be safe by then. */
export function smtp<Caller>(contract: SmtpContract<Caller>) {
  return {
    handle(handler: (request: SmtpRequest<Caller>, ctx: Context) => Promise<string> | string): SmtpFunction {
      return { kind: "smtp", contract, handler } as unknown as SmtpFunction;
    },
  };
}
