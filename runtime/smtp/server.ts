/**
 * smtp-server at one port, with what it leaves open: limits over all ports of a listener, a time for TLS to begin, and
 * proxies that say whom they bring.
 */
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import type { SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import { Connection, plainAddress } from "./connection.ts";
import { NoProxyHeader, takeProxyHeader } from "./proxy-header.ts";

export interface ServerRules {
  /** Connections at once, at all ports of the listener. */
  total: number;
  /** The same of one address. */
  perAddress: number;
  /** Milliseconds that a TLS handshake may take. */
  handshakeMs: number;
  /** Whether an address is that of a proxy, whose connections begin with a PROXY header. */
  trustsProxy(address: string): boolean;
  /** Told of a connection that is refused for its PROXY header, or for the want of one. */
  refusedHeader(address: string, reason: string): void;
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

/** A proxy sends its header as soon as it is connected; this is for a packet that has to be sent again. */
const headerMs = 3000;

/** A connection that is yet to begin. */
interface Arrival {
  /** `performance.now()`. */
  since: number;
  /** Of the client; undefined while its proxy has not told. */
  address: string | undefined;
}

export class Server extends SMTPServer {
  rules: ServerRules;
  refusedConnections = 0;
  /** Of the same listener: this one as well. */
  readonly #ports: readonly Server[];
  /** Those that have not begun TLS where it comes first, and those whose proxy has not said who they are. */
  readonly #arrivals = new WeakMap<Socket, Arrival>();

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

  override ["_expectsProxyHeader"]({ remoteAddress }: Socket): boolean {
    return this.rules.trustsProxy(plainAddress(remoteAddress));
  }

  /** smtp-server's own makes an id of 10 random bytes, by a call to the system that is dear where each mail comes anew. */
  override ["_handleProxy"](socket: Socket, callback: Parameters<SMTPServer["_handleProxy"]>[1]): void {
    const arrival = this.#arrivals.get(socket);
    if (!arrival || arrival.address !== undefined) return callback(null, { id: randomUUID() });
    takeProxyHeader(socket, (error, brought) => {
      arrival.address = plainAddress(brought?.remoteAddress ?? socket.remoteAddress);
      if (!error && !this.#isTooMany(arrival)) return callback(null, { id: randomUUID(), ...brought });
      if (error instanceof NoProxyHeader) this.#refuseHeader(socket, error.message);
      socket.on("error", () => {}).destroySoon();
      callback(error ?? new Error("it is one too many"));
    });
  }

  /** smtp-server's own counts those that have not begun for themselves, and of no address. */
  override ["_acceptSocket"](socket: Socket, handshake: boolean): (() => void) | false {
    const release = super["_acceptSocket"](socket, handshake);
    const isProxy = this["_expectsProxyHeader"](socket);
    if (!release || !(handshake || isProxy)) return release;
    const address = isProxy ? undefined : plainAddress(socket.remoteAddress);
    const arrival = { since: performance.now(), address };
    this.#arrivals.set(socket, arrival);
    if (!this.#isTooMany(arrival)) return release;
    release();
    socket.on("error", () => {}).destroy();
    return false;
  }

  /** Whether there are so many that another cannot even be told. Where TLS does not come first, it can once it is known. */
  #isTooMany({ address }: Arrival): boolean {
    const isTold = address !== undefined && !this.options.secure;
    if (isTold || this.refusalOf(address, mostToTell) === undefined) return false;
    this.refusedConnections++;
    return true;
  }

  /** Tells why, also the other side where that is in plain text: whoever it is looks for a fault of configuration. */
  #refuseHeader(socket: Socket, reason: string): void {
    this.rules.refusedHeader(plainAddress(socket.remoteAddress), reason);
    if (!this.options.secure) socket.write("421 4.7.0 A PROXY header is expected from your address\r\n");
  }

  /** Connections at this port, with those that have not begun TLS. */
  get guests(): number {
    return this.connections.size + this["_pendingSockets"].size;
  }

  /** Why an address that has just come has to go again, when with it there are more than may be, and `spare`. */
  refusalOf(address: string | undefined, spare = 0): [status: string, text: string] | undefined {
    let total = 0;
    let same = 0;
    // Counted when asked: whatever way a connection ends by, it counts no more.
    for (const port of this.#ports) {
      total += port.guests;
      if (address === undefined) continue;
      for (const connection of port.clients()) if (connection.address === address) same++;
      for (const socket of port["_pendingSockets"].keys()) if (port.#arrivals.get(socket)?.address === address) same++;
    }
    // RFC 3463: at 3.2 a host takes no mail, as under too much load; 7.0 is what a rule forbids.
    if (same > this.rules.perAddress + spare) return ["4.7.0", "Too many connections from your address"];
    if (total > this.rules.total + spare) return ["4.3.2", "Too many connected clients, try again in a moment"];
    return undefined;
  }

  /** Ends whose TLS handshake, or whose PROXY header, takes too long. */
  endLate(now: number): void {
    const begun = now - this.rules.handshakeMs;
    for (const [socket, topmost] of this["_pendingSockets"]) {
      const { since, address } = this.#arrivals.get(socket) ?? { since: now, address: undefined };
      if (address === undefined && since < now - headerMs) {
        this.#refuseHeader(socket, `it sent no PROXY header within ${headerMs / 1000} s`);
        socket.destroySoon();
      } else if (since < begun) {
        // With the one below it gone in the middle of a handshake, Node would crash.
        topmost.destroy();
      }
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
