/** The `smtp` builder: a listener that takes mail. */
import type { Context, Resources, Setting } from "./context.ts";
import type { Limits } from "./limits.ts";
import { problems } from "./problem.ts";

/** Who hands mail over, as far as an access rule may look. */
export interface SmtpSession {
  /** Of the client, also behind a proxy: IPv4 or IPv6, without a zone. */
  readonly remoteAddress: string;
  /** Whether the connection is encrypted. */
  readonly secure: boolean;
  /** What the client has signed in with; undefined for one that has not. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

/**
 * Who may hand over mail, and what. Each rule throws a `Problem` to refuse; its status says with which reply
 * (`SmtpContract.replies`).
 */
export interface SmtpAccess<Caller> {
  /** Shown by `fn list`. */
  readonly name: string;
  /** Asked when a client signs in, and again for each mail: what held an hour ago may hold no more. Returns the caller. */
  check(session: SmtpSession, ctx: Context): Caller | Promise<Caller>;
  /** Whether the caller may send as this address: the one of `MAIL FROM`, empty for the null sender. */
  sender?(address: string, caller: Caller, ctx: Context): void | Promise<void>;
  /** Whether mail for this address of `RCPT TO` is taken. */
  recipient?(address: string, caller: Caller, ctx: Context): void | Promise<void>;
  /** Whether an address is known as good: it is greeted at once, where others are first watched for talking too soon. */
  trusts?(remoteAddress: string, resources: Resources): boolean;
}

/** Files in PEM; they are read again when they change. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A reply code (RFC 5321) and its enhanced status code (RFC 3463). */
export type SmtpReply = readonly [code: number, status: string];

export interface SmtpContract<Caller> extends Limits {
  summary?: string;
  /** Where clients begin in plain text; with a certificate they may go on with STARTTLS. 0: closed. */
  port: Setting<number>;
  /** Where TLS comes first. Stays closed without a certificate, and when it is 0. */
  tlsPort?: Setting<number>;
  /** For TLS 1.3 and 1.2. */
  certificate?: Setting<CertificateFiles | undefined>;
  /** The name of this host in greetings. Default: the machine's. */
  hostname?: Setting<string>;
  access: SmtpAccess<Caller>;
  /**
   * Whether an address is that of a proxy: each of its connections must begin with a PROXY header (version 1 or 2), which
   * says whose it is. From anybody else such a header is refused. Without this, nobody is a proxy.
   */
  trustsProxy?: (remoteAddress: string, resources: Resources) => boolean;
  /** Whether clients may sign in without TLS, where everybody on the way can read the password. Default: no. */
  plainSignIn?: Setting<boolean>;
  /** Largest message in bytes. Default: the runtime's limit of a body. */
  sizeLimit?: Setting<number>;
  /** Most recipients of one mail. Default 1,000. */
  recipientLimit?: Setting<number>;
  /** Connections at once: of all clients, and of one address. Default 500 and 100. */
  connections?: Setting<{ total: number; perAddress: number }>;
  /** Milliseconds that a client may be silent (default 5 minutes), and that one mail may take (default 10). */
  patience?: Setting<{ idleMs: number; mailMs: number }>;
  /** Replies to problems, by code, where the status alone does not say which: `{ sender_not_allowed: [550, "5.7.1"] }`. */
  replies?: Readonly<Record<string, SmtpReply>>;
}

/** The SMTP envelope: it alone decides who gets the mail (RFC 5321, section 2.3.1). */
export interface Envelope {
  /** Empty for the null sender. */
  readonly from: string;
  /** Each once. */
  readonly to: readonly string[];
}

export interface SmtpRequest<Caller = unknown> {
  readonly envelope: Envelope;
  /**
   * The message as it arrives, without the dots of transparency, every line end CRLF. Ends with the final dot; throws
   * when the client goes before that, or sends more than it may.
   */
  readonly message: AsyncIterable<Buffer>;
  readonly caller: Caller;
  readonly remoteAddress: string;
}

/** What became of a mail: the text after `250`. */
export interface Received {
  readonly text: string;
  /** For whoever is told of calls (`RuntimeSettings.onCall`). */
  readonly reply?: unknown;
}

export interface SmtpFunction {
  readonly kind: "smtp";
  readonly contract: SmtpContract<unknown>;
  handler(request: SmtpRequest, ctx: Context): unknown;
}

/**
 * Makes an SMTP function. It returns once the mail is safe; nothing is safe when it throws, and the client is told.
 *
 * @example
 * export default smtp({ port: 2525, access: thisMachine }).handle(async ({ envelope, message }, ctx) => {
 *   return { text: `queued as ${await keep(ctx, envelope, message)}` };
 * });
 */
export function smtp<Caller>(contract: SmtpContract<Caller>) {
  return {
    handle(handler: (request: SmtpRequest<Caller>, ctx: Context) => Promise<Received> | Received): SmtpFunction {
      // The border where types end: the host passes only the caller that this contract's access has made.
      return { kind: "smtp", contract, handler } as unknown as SmtpFunction;
    },
  };
}

/** Takes mail from programs on this machine only. */
export const thisMachine: SmtpAccess<undefined> = {
  name: "this machine",
  check({ remoteAddress }) {
    if (!isLoopback(remoteAddress)) throw problems.forbidden({ message: "Mail is taken from this machine only" });
    return undefined;
  },
  trusts: isLoopback,
};

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
