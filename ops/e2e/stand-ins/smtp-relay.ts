/** Stands in for an SMTP relay: a real server that keeps what it takes, and fails on demand. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from "smtp-server";

/** `content` is when the first bytes of the message have come, `message` when its final dot has. */
export type RelayStep = "connect" | "login" | "sender" | "recipient" | "content" | "message";

/** What happens at a step: a reply of another kind, the end of the connection, or nothing any more. */
export type RelayFault = { step: RelayStep } & (
  | { does: "reply"; reply: number; text?: string; /** To this recipient only. */ to?: string }
  | { does: "cut" }
  | { does: "silence" }
);

export interface RelayMessage {
  from: string;
  to: string[];
  raw: Buffer;
  /** Over TLS. */
  secure: boolean;
  user: string | undefined;
  /** Id of the connection that it came by. */
  connection: string;
}

export interface RelayStandIn {
  readonly host: string;
  readonly port: number;
  /** What it has taken, whatever the client was told. */
  readonly messages: readonly RelayMessage[];
  /** Connections so far, and those that are open. */
  readonly connections: number;
  readonly open: number;
  /** By user. */
  readonly passwords: Map<string, string>;
  /** What happens next at these steps, one after the other. */
  next(...faults: RelayFault[]): void;
  /** What happens whenever a step comes for which no `next` is there. */
  always(fault: RelayFault | undefined): void;
  /** Ends all connections, as a server does with those that were idle for long. */
  hangUp(): void;
  reset(): void;
  close(): Promise<void>;
}

export interface RelayStandInOptions {
  /** Without one it offers no TLS. */
  certificate?: { key: string; cert: string };
  /** TLS from the first byte. */
  implicit?: boolean;
  /** Nobody needs to sign in. */
  open?: boolean;
  /** Whether a token is good. */
  takesToken?: (token: string) => boolean;
  /** Largest message, as announced. */
  size?: number;
}

export async function startRelay(options: RelayStandInOptions = {}): Promise<RelayStandIn> {
  const { certificate, implicit = false, open = false, takesToken = () => false, size } = options;
  const messages: RelayMessage[] = [];
  const passwords = new Map<string, string>();
  const sockets = new Map<number, Socket>();
  let queue: RelayFault[] = [];
  let standing: RelayFault | undefined;
  let connections = 0;

  function take(step: RelayStep, to?: string): RelayFault | undefined {
    const fits = (fault: RelayFault | undefined) =>
      fault?.step === step && (fault.does !== "reply" || fault.to === undefined || fault.to === to);
    if (fits(queue[0])) return queue.shift();
    return fits(standing) ? standing : undefined;
  }

  /** Lets a step go on, unless something else is to happen. */
  function go(step: RelayStep, session: SMTPServerSession, on: (error?: Error) => void, to?: string): void {
    const fault = take(step, to);
    if (!fault) return on();
    if (fault.does === "cut") return void sockets.get(session.remotePort)?.resetAndDestroy();
    if (fault.does === "silence") return;
    on(Object.assign(new Error(fault.text ?? "4.7.0 not now"), { responseCode: fault.reply }));
  }

  async function keep(stream: SMTPServerDataStream, session: SMTPServerSession, on: (error?: Error) => void) {
    if (queue[0]?.step === "content" || standing?.step === "content") {
      stream.once("data", () => {
        stream.pause();
        go("content", session, () => {});
      });
      return;
    }
    const raw = await buffer(stream);
    const refused = queue[0]?.step === "message" ? queue[0] : standing?.step === "message" ? standing : undefined;
    if (refused?.does !== "reply") {
      const { mailFrom, rcptTo } = session.envelope;
      messages.push({
        from: mailFrom ? mailFrom.address : "",
        to: rcptTo.map(({ address }) => address),
        raw,
        secure: session.secure,
        user: session.user,
        connection: session.id,
      });
    }
    go("message", session, on);
  }

  const server = new SMTPServer({
    ...certificate,
    secure: implicit,
    authMethods: ["PLAIN", "LOGIN", "XOAUTH2"],
    authOptional: open,
    disabledCommands: certificate ? [] : ["STARTTLS"],
    allowInsecureAuth: !certificate,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    ...(size !== undefined && { size }),
    onConnect(session, on) {
      connections++;
      go("connect", session, on);
    },
    onAuth({ method, username = "", password, accessToken = "" }, session, on) {
      go("login", session, (error) => {
        if (error) return on(error);
        const good = method === "XOAUTH2" ? takesToken(accessToken) : passwords.get(username) === password;
        if (good && username !== "") return on(null, { user: username });
        // As the mechanism wants it: a challenge that says why, which the client answers before it is refused.
        if (method === "XOAUTH2") return on(null, { data: { status: "401", schemes: "bearer" } });
        on(Object.assign(new Error("5.7.8 credentials invalid"), { responseCode: 535 }));
      });
    },
    onMailFrom: (_address, session, on) => go("sender", session, on),
    onRcptTo: ({ address }, session, on) => go("recipient", session, on, address),
    onData: (stream, session, on) => void keep(stream, session, on).catch(() => {}), // The client has left.
  });
  server.on("error", () => {});
  server.server.on("connection", (socket: Socket) => {
    const port = socket.remotePort ?? 0;
    sockets.set(port, socket);
    socket.once("close", () => sockets.delete(port));
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const address = server.server.address();

  return {
    host: "127.0.0.1",
    port: typeof address === "object" && address ? address.port : 0,
    messages,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    passwords,
    next: (...faults) => void queue.push(...faults),
    always: (fault) => void (standing = fault),
    hangUp() {
      for (const socket of sockets.values()) socket.destroy();
    },
    reset() {
      queue = [];
      standing = undefined;
      messages.length = 0;
    },
    async close() {
      for (const socket of sockets.values()) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
