/** The open ports of one SMTP function. Its versions come and go behind them. */
import { setTimeout as pause } from "node:timers/promises";
import type { SMTPServerOptions, SMTPServerSession } from "smtp-server";
import type { Resources } from "../context.ts";
import type { Host } from "../host/host.ts";
import { Limited } from "../host/time-limits.ts";
import { OperatorError } from "../house.ts";
import { openCertificate, type Certificate, type OpenCertificate } from "./certificate.ts";
import type { Connection } from "./connection.ts";
import type { Conversations, SmtpSlot } from "./conversations.ts";
import { RefusedHeaders } from "./refused-headers.ts";
import { Server, type ServerRules } from "./server.ts";
import type { Compiled } from "./transaction.ts";

/** How often clients are looked at that take too long, in milliseconds. */
const sweepMs = 500;
/** Longest TLS handshake, in milliseconds: it is a matter of programs alone, and holds a place that nobody has yet. */
const handshakeMs = 30_000;
/** How long clients have to read that they have to go, before they are cut, when there is no time left to stop. */
const lastWordMs = 100;

export interface SmtpListener {
  /** Connections that are open. */
  readonly connections: number;
  /** Connections that were refused, as one address had too many, or all had. */
  readonly refused: number;
  /** Connections that were refused for their PROXY header, or for the want of one. */
  readonly refusedHeaders: number;
  /** Of the certificate that new connections are shown. */
  readonly certificateExpiresAt: Date | undefined;
  /** Where it listens, and how. */
  readonly ports: readonly { port: number; tls: "none" | "starttls" | "implicit" }[];
  /** Takes over the limits of a new version. */
  adapt(compiled: Compiled): void;
  /**
   * Opens no new connection, and ends those that hand over no mail at this moment; each of the others ends with its
   * mail. Resolves when all have. When the host's time to stop is over before that, those whose mail is not complete are
   * sent away: they keep it, and come again.
   */
  stop(): Promise<void>;
}

/** Throws a sentence for whoever runs the system when a port cannot be opened, or a certificate cannot be used. */
export async function openListener(
  slot: SmtpSlot,
  conversations: Conversations,
  { resources, timeLimits }: Pick<Host, "resources" | "timeLimits">,
): Promise<SmtpListener> {
  const { port, tlsPort, certificate: files } = slot.current.compiled;
  const servers: Server[] = [];
  const refusedHeaders = new RefusedHeaders();
  const rules = (compiled: Compiled): ServerRules => ({
    ...rulesOf(compiled, conversations, resources),
    refusedHeader: (address, reason) => refusedHeaders.tell(slot.log, address, reason),
  });
  let certificate: OpenCertificate | undefined;
  const open = async (on: number, options: SMTPServerOptions) => {
    const server = newServer(slot, conversations, options, rules(slot.current.compiled), servers);
    servers.push(server);
    await listen(server, on);
    server.on("error", (error: Error) => slot.log.debug({ err: error }, "an SMTP connection failed"));
  };
  const close = () => {
    certificate?.close();
    for (const server of servers) server.server.close();
  };
  try {
    if (files) {
      const changed = ({ cert, key }: Certificate) =>
        servers.forEach((server) => server.updateSecureContext({ cert, key }));
      certificate = await openCertificate(files, { changed, log: slot.log });
    }
    const { cert, key } = certificate?.current ?? {};
    if (port > 0) await open(port, { ...(cert && key && { cert, key }), hideSTARTTLS: !certificate });
    if (tlsPort > 0 && cert && key) await open(tlsPort, { cert, key, secure: true });
  } catch (error) {
    close();
    throw error;
  }

  const all = () => servers.flatMap((server) => [...server.clients()]);
  const idle = () => all().filter((client) => !conversations.isBusy(client.session));
  const sendAway = (clients: readonly Connection[]) => {
    for (const client of clients) client.send(421, "4.3.2 Closing");
  };
  const cutRest = async () => {
    const notWaiting = () => all().filter((client) => !conversations.isAnswering(client.session));
    const told = notWaiting();
    sendAway(told);
    await pause(lastWordMs);
    for (const client of told) {
      client.cut();
      conversations.left(client.session);
    }
    sendAway(notWaiting()); // Those who have had their answer meanwhile.
  };
  const sweep = setInterval(() => {
    const now = performance.now();
    conversations.endAbandoned();
    for (const server of servers) server.endLate(now);
    for (const client of all()) {
      if (conversations.isOverdue(client.session, now)) client.send(421, "4.4.2 This takes too long");
    }
    if (conversations.isClosing) sendAway(idle());
  }, sweepMs).unref();

  return {
    get connections() {
      return servers.reduce((sum, server) => sum + server.guests, 0);
    },
    get refused() {
      return servers.reduce((sum, server) => sum + server.refusedConnections, 0);
    },
    get refusedHeaders() {
      return refusedHeaders.count;
    },
    get certificateExpiresAt() {
      return certificate?.current.expiresAt;
    },
    ports: [
      ...(port > 0 ? [{ port, tls: certificate ? ("starttls" as const) : ("none" as const) }] : []),
      ...(tlsPort > 0 && certificate ? [{ port: tlsPort, tls: "implicit" as const }] : []),
    ],
    adapt(compiled) {
      for (const server of servers) {
        Object.assign(server.options, limitsOf(compiled));
        server.rules = rules(compiled);
      }
    },
    async stop() {
      conversations.isClosing = true;
      const closed = Promise.all(servers.map((server) => server.closeDoor()));
      sendAway(idle());
      certificate?.close();
      const { promise: cut, resolve } = Promise.withResolvers<void>();
      const timeToStop = new Limited(Infinity, () => resolve(cutRest()));
      timeLimits.add(timeToStop);
      await Promise.race([closed, cut]);
      timeLimits.delete(timeToStop);
      clearInterval(sweep);
    },
  };
}

/** Of a contract, what smtp-server holds to. It reads its options anew each time. */
function limitsOf({ sizeLimit, recipientLimit, patience, hostname }: Compiled) {
  return {
    size: sizeLimit,
    maxRecipients: recipientLimit,
    socketTimeout: patience.idleMs,
    ...(hostname !== undefined && { name: hostname }),
  };
}

function rulesOf(
  { access, connections, patience, plainSignIn, trustsProxy }: Compiled,
  conversations: Conversations,
  resources: Resources,
): Omit<ServerRules, "refusedHeader"> {
  return {
    ...connections,
    handshakeMs: Math.min(handshakeMs, patience.idleMs),
    trustsProxy: (address: string) => trustsProxy?.(address, resources) ?? false,
    trusts: (address: string) => access.trusts?.(address, resources) ?? false,
    plainSignIn,
    failedSignIn: (session) => conversations.failedSignIn(session),
  };
}

function newServer(
  slot: SmtpSlot,
  conversations: Conversations,
  options: SMTPServerOptions,
  rules: ServerRules,
  ports: readonly Server[],
): Server {
  const { compiled } = slot.current;
  /** An answer that cannot be given is no reason to end the process. */
  function answer<T>(work: Promise<T>, given: (value: T) => void, refused: (error: Error) => void): void {
    work
      .then(given, refused)
      .catch((error: unknown) => slot.log.error({ err: error }, "an SMTP client was not answered"));
  }
  const cut = (session: SMTPServerSession) => {
    for (const client of server.clients()) if (client.session === session) client.send(421, "4.7.0 Too much");
  };
  const server: Server = new Server(
    {
      ...limitsOf(compiled),
      ...options,
      minVersion: "TLSv1.2",
      logger: false,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      // Whether somebody has to sign in is for the function to say, mail by mail.
      authOptional: true,
      authMethods: ["PLAIN", "LOGIN"],
      allowInsecureAuth: compiled.plainSignIn,
      disabledCommands: ["WIZ", "SHELL", "KILL", "XCLIENT", "XFORWARD", ...(options.hideSTARTTLS ? ["STARTTLS"] : [])],
      heloResponse: "%s greets %s",
      onConnect(session, callback) {
        conversations.met(session);
        callback();
      },
      onAuth: (auth, session, callback) =>
        answer(conversations.signIn(auth, session), (user) => callback(null, { user }), callback),
      onMailFrom: ({ address }, session, callback) =>
        answer(conversations.begin(address, session), () => callback(), callback),
      onRcptTo: ({ address }, session, callback) =>
        answer(conversations.recipient(address, session), () => callback(), callback),
      onData: (stream, session, callback) =>
        answer(
          conversations.receive(stream, session, () => cut(session)),
          (text) => callback(null, text),
          callback,
        ),
      onClose: (session) => conversations.left(session),
    },
    rules,
    ports,
  );
  return server;
}

async function listen({ server }: Server, port: number): Promise<void> {
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  const failed = (error: Error) => reject(listenError(error, port));
  server.once("error", failed);
  server.listen(port, resolve);
  await listening;
  server.off("error", failed);
}

function listenError(error: Error, port: number): Error {
  const code = "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return new OperatorError(`Port ${port} is in use: no SMTP listener can be opened there.`);
  if (code === "EACCES") return new OperatorError(`Port ${port} may not be opened by this user; take one above 1023.`);
  return error;
}
