/** smtp-server at one port, with what it leaves open: limits over all ports of a listener, and a time for TLS to begin. */
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import type { SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import { addressOf, Connection } from "./connection.ts";

export interface ServerRules {
  /** Connections at once, at all ports of the listener. */
  total: number;
  /** The same of one address. */
  perAddress: number;
  /** Milliseconds that a TLS handshake may take. */
  handshakeMs: number;
  /** Whether a client need not be watched for talking before it is greeted. */
  trusts(remoteAddress: string): boolean;
  /** Whether signing in is offered on a connection without TLS. */
  plainSignIn: boolean;
  /** Told of a try to sign in that could not be read. Returns whether there may be another. */
  failedSignIn(session: SMTPServerSession): boolean;
}

/**
 * Before its TLS handshake, nothing can be told to a client that is one too many. So many of them may go through with
 * it to hear why they have to go; all others are cut.
 */
const mostToTell = 10;

export class Server extends SMTPServer {
  rules: ServerRules;
  refusedConnections = 0;
  /** Of the same listener: this one as well. */
  readonly #ports: readonly Server[];
  /** When those came that have not begun TLS where it comes first. */
  readonly #arrivals = new WeakMap<Socket, number>();

  constructor(options: SMTPServerOptions, rules: ServerRules, ports: readonly Server[]) {
    super(options);
    this.rules = rules;
    this.#ports = ports;
  }

  /** As smtp-server's own, with our connections in place of its. */
  override connect(socket: Socket, options?: SMTPConnectionOptions | null): void {
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on("error", (error: Error) => this.emit("error", error));
    connection.init();
  }

  /** smtp-server's own makes an id of 10 random bytes, by a call to the system that is dear where each mail comes anew. */
  override ["_handleProxy"](socket: Socket, callback: Parameters<SMTPServer["_handleProxy"]>[1]): void {
    if (this["_expectsProxyHeader"](socket)) super["_handleProxy"](socket, callback);
    else callback(null, { id: randomUUID() });
  }

  /** smtp-server's own counts those that have not begun TLS for themselves, and of no address. */
  override ["_acceptSocket"](socket: Socket, handshake: boolean): (() => void) | false {
    const release = super["_acceptSocket"](socket, handshake);
    if (!release || !handshake) return release;
    this.#arrivals.set(socket, performance.now());
    if (this.refusalOf(addressOf(socket), mostToTell) === undefined) return release;
    this.refusedConnections++;
    release();
    socket.on("error", () => {}).destroy();
    return false;
  }

  /** Connections at this port, with those that have not begun TLS. */
  get guests(): number {
    return this.connections.size + this["_pendingSockets"].size;
  }

  /** Why an address that has just come has to go again, when with it there are more than may be, and `spare`. */
  refusalOf(address: string, spare = 0): [status: string, text: string] | undefined {
    let total = 0;
    let same = 0;
    // Counted when asked: whatever way a connection ends by, it counts no more.
    for (const port of this.#ports) {
      total += port.guests;
      for (const connection of port.clients()) if (connection.address === address) same++;
      for (const socket of port["_pendingSockets"].keys()) if (addressOf(socket) === address) same++;
    }
    // RFC 3463: at 3.2 a host takes no mail, as under too much load; 7.0 is what a rule forbids.
    if (same > this.rules.perAddress + spare) return ["4.7.0", "Too many connections from your address"];
    if (total > this.rules.total + spare) return ["4.3.2", "Too many connected clients, try again in a moment"];
    return undefined;
  }

  /** Ends whose TLS handshake takes too long. */
  endLateHandshakes(now: number): void {
    const begun = now - this.rules.handshakeMs;
    for (const [socket, topmost] of this["_pendingSockets"]) {
      // With the one below it gone in the middle of a handshake, Node would crash.
      if ((this.#arrivals.get(socket) ?? now) < begun) topmost.destroy();
    }
    for (const client of this.clients()) if (client.upgradingSince < begun) client.close();
  }

  /**
   * Opens no new connection, and ends those that have not begun TLS where it comes first. Resolves when all have ended.
   * smtp-server's own way to close refuses every further command, also in the middle of a mail.
   */
  async closeDoor(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this["_pendingSockets"].values()) socket.destroy();
    await closed;
  }

  /** Who is connected. */
  *clients(): Generator<Connection> {
    for (const connection of this.connections) if (connection instanceof Connection) yield connection;
  }
}
