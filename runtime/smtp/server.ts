/** smtp-server, with what it leaves open: a greeting at once, exact status codes, a limit per address. */
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { SMTPConnection, type SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";

export interface ServerRules {
  /** Connections of one address at once. */
  perAddress: number;
  /** Whether a client need not be watched for talking before it is greeted. */
  trusts(remoteAddress: string): boolean;
  /** Whether signing in is offered on a connection without TLS. */
  plainSignIn: boolean;
}

/** An answer that has its enhanced status code itself: smtp-server would put one of its own before it. */
const withStatus = /^[245]\.\d{1,3}\.\d{1,3} /;

export class Server extends SMTPServer {
  rules: ServerRules;
  refusedConnections = 0;

  constructor(options: SMTPServerOptions, rules: ServerRules) {
    super(options);
    this.rules = rules;
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

  /** Counted when asked: whatever way a connection ends by, it counts no more. */
  connectionsOf(remoteAddress: string): number {
    let count = 0;
    for (const connection of this.connections) if (connection.remoteAddress === remoteAddress) count++;
    return count;
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

export class Connection extends SMTPConnection {
  readonly #server: Server;
  #isReady = false;

  constructor(server: Server, socket: Socket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options);
    this.#server = server;
  }

  /**
   * smtp-server keeps every client waiting for 100 ms, to catch those that talk before they are greeted. Whom we know
   * is greeted at once; smtp-server's own timer then finds that done.
   */
  override init(): void {
    super.init();
    if (this.#server.rules.trusts(this.remoteAddress)) this.connectionReady();
  }

  override connectionReady(next?: () => void): void {
    if (this.#isReady) return;
    this.#isReady = true;
    if (this.#server.connectionsOf(this.remoteAddress) > this.#server.rules.perAddress) {
      this.#server.refusedConnections++;
      this.send(421, `${this.name} 4.7.0 Too many connections from your address`, false);
      return;
    }
    super.connectionReady(next);
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (Array.isArray(data)) return super.send(code, this.#offered(data), context);
    return super.send(code, data, data != null && withStatus.test(data) ? false : context);
  }

  /** Of what EHLO lists: signing in only where the password is safe (RFC 4954, section 4). */
  #offered(features: string[]): string[] {
    if (this.session.secure || this.#server.rules.plainSignIn) return features;
    return features.filter((feature) => !feature.startsWith("AUTH "));
  }
}
