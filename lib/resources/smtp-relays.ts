/** Connections to SMTP relays, kept for the mails that follow. */
import { createHash } from "node:crypto";
import { callbackify } from "node:util";
import { createTransport, type SendMailOptions } from "nodemailer";
import type { Application, MicrosoftTokens } from "./microsoft-tokens.ts";
import { MessageWatch, RelayFailure } from "./smtp-outcome.ts";

/** An SMTP relay, and how to sign in there. */
export interface RelayServer {
  readonly host: string;
  readonly port: number;
  /** `starttls`: or no mail; `tls`: from the first byte; `none`: STARTTLS where it is offered. Certificates are checked. */
  readonly secure: "starttls" | "tls" | "none";
  readonly auth:
    | { readonly kind: "none" }
    | { readonly kind: "password"; readonly user: string; readonly password: string }
    /** With a token of the configured Microsoft application. */
    | { readonly kind: "oauth2"; readonly user: string };
}

/** A relay as it is configured, or a job's own. */
export interface Relay extends RelayServer {
  /** Envelope sender, where it is to differ from the mail's. */
  readonly from: string | undefined;
}

export interface RelayAnswer {
  /** The reply to the message, such as 250. */
  reply: number;
  /** The replies to recipients that were refused. */
  refused: readonly number[];
}

export interface SmtpRelays {
  /**
   * Sends a message to the recipients of its envelope. Returns when the relay has taken it for one of them at least.
   * Throws `RelayFailure`.
   */
  send(server: RelayServer, message: SendMailOptions, signal: AbortSignal): Promise<RelayAnswer>;
  close(): Promise<void>;
}

export interface SmtpRelaysOptions {
  /** Most connections to one relay: as many as there are mails at once. */
  connections: number;
  /** As whom `oauth2` signs in. */
  application: Application | undefined;
  tokens: MicrosoftTokens;
  /** Milliseconds until a relay that says nothing is left. */
  silenceMs?: number;
}

/** Relays whose connections are kept, and milliseconds that an idle one is: less than silence is borne. */
const mostRelays = 50;
const idleMs = 20_000;
/** Milliseconds for a connection with its TLS, and for the greeting. */
const connectMs = 10_000;

interface Pool {
  transport: ReturnType<typeof openTransport>;
  busy: number;
}

export function openSmtpRelays(options: SmtpRelaysOptions): SmtpRelays {
  const pools = new Map<string, Pool>();

  /** The pool of a server, now the youngest. Idle ones go when there are too many. */
  function poolOf(server: RelayServer): Pool {
    const key = keyOf(server);
    const pool = pools.get(key) ?? { transport: openTransport(server, options), busy: 0 };
    pools.delete(key);
    pools.set(key, pool);
    for (const [old, { transport, busy }] of pools) {
      if (pools.size <= mostRelays) break;
      if (busy > 0 || old === key) continue;
      pools.delete(old);
      transport.close();
    }
    return pool;
  }

  return {
    async send(server, message, signal) {
      const pool = poolOf(server);
      const watch = new MessageWatch();
      pool.busy++;
      try {
        const sent = await pool.transport.sendMail(Object.assign({ signal, watch }, message));
        return {
          reply: Number(sent.response.slice(0, 3)),
          refused: (sent.rejectedErrors ?? []).map(({ responseCode }) => responseCode ?? 0),
        };
      } catch (error) {
        throw new RelayFailure(error, watch.progress);
      } finally {
        pool.busy--;
      }
    },
    async close() {
      for (const { transport } of pools.values()) transport.close();
      pools.clear();
    },
  };
}

function openTransport({ host, port, secure, auth }: RelayServer, options: SmtpRelaysOptions) {
  const { connections, silenceMs = 30_000 } = options;
  const transport = createTransport({
    pool: true,
    host,
    port,
    secure: secure === "tls",
    requireTLS: secure === "starttls",
    ...(auth.kind === "password" && { auth: { user: auth.user, pass: auth.password } }),
    ...(auth.kind === "oauth2" && { auth: { type: "OAuth2", user: auth.user, provisionCallback: provide(options) } }),
    maxConnections: connections,
    // A mail that met a kept connection which the relay had closed goes to another; nothing of it had been written.
    maxRequeues: 1,
    idleTimeout: idleMs,
    dnsTimeout: connectMs,
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silenceMs,
    socketCloseTimeout: 1000,
    disableUrlAccess: true,
  });
  transport.use("stream", ({ data, message }, done) => {
    const { watch } = data as { watch?: unknown };
    if (watch instanceof MessageWatch) message.processFunc((input) => watch.stream(input));
    // Nodemailer 10.6 keeps in it what one connection said, and would take that for the answer of the next.
    const envelope = message.getEnvelope();
    message.getEnvelope = () => ({ ...envelope });
    done();
  });
  return transport;
}

/** Microsoft: Authenticate an IMAP, POP or SMTP connection using OAuth, client credentials. */
const scope = "https://outlook.office365.com/.default";

/** Tokens for one relay's connections. One that was not taken is not tried again. */
function provide({ application, tokens }: SmtpRelaysOptions) {
  let last = "";
  return callbackify(async (_user: string, renew: boolean): Promise<string> => {
    if (!application) throw new Error("There is no Microsoft application to sign in as");
    if (renew) tokens.drop(last);
    try {
      return (last = await tokens.get(application, scope));
    } catch (cause) {
      // Nodemailer changes the error that it is given.
      throw new Error("There is no token for the relay", { cause });
    }
  });
}

/** Of a hash, so that passwords lie in no map. */
function keyOf({ host, port, secure, auth }: RelayServer): string {
  return createHash("sha256")
    .update(JSON.stringify([host, port, secure, auth]))
    .digest("base64");
}
