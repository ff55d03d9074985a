/** smtp-server with one client, and what it leaves open: a greeting at once, and exact status codes. */
import type { Socket } from "node:net";
import { SMTPConnection, type SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import type { Server } from "./server.ts";

/** An answer that has its enhanced status code itself: smtp-server would put one of its own before it. */
const withStatus = /^[245]\.\d{1,3}\.\d{1,3} /;

export class Connection extends SMTPConnection {
  /** By which it counts. */
  readonly address: string;
  readonly #server: Server;
  #isReady = false;
  #upgradeBegan = Infinity;

  constructor(server: Server, socket: Socket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options);
    this.#server = server;
    this.address = addressOf(socket);
  }

  /**
   * smtp-server keeps every client waiting for 100 ms, to catch those that talk before they are greeted. Whom we know
   * is greeted at once; smtp-server's own timer then finds that done.
   */
  override init(): void {
    super.init();
    const refusal = this.#server.refusalOf(this.address);
    if (refusal) {
      const [status, text] = refusal;
      this.#isReady = true;
      this.#server.refusedConnections++;
      this.send(421, `${status} ${this.name} ${text}`);
    } else if (this.#server.rules.trusts(this.remoteAddress)) {
      this.connectionReady();
    }
  }

  override connectionReady(next?: () => void): void {
    if (this.#isReady) return;
    this.#isReady = true;
    super.connectionReady(next);
  }

  override upgrade(...args: Parameters<SMTPConnection["upgrade"]>): void {
    this.#upgradeBegan = performance.now();
    super.upgrade(...args);
  }

  /** Since when it is in the handshake of STARTTLS (`performance.now()`); Infinity when it is not. */
  get upgradingSince(): number {
    return this["_upgrading"] ? this.#upgradeBegan : Infinity;
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

/** Of the other side. At a port for both, an IPv4 address comes as an IPv6 one. */
export function addressOf({ remoteAddress = "" }: Socket): string {
  return remoteAddress.replace(/^::ffff:/i, "");
}
