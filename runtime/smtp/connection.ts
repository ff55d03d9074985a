/** smtp-server with one client, and what it leaves open: a greeting at once, exact status codes, and rules of RFCs. */
import type { Socket } from "node:net";
import { SMTPConnection, type SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import { Parser } from "./parser.ts";
import { SmtpRefusal } from "./reply.ts";
import type { Server } from "./server.ts";

/** An answer that has its enhanced status code itself: smtp-server would put one of its own before it. */
const withStatus = /^[245]\.\d{1,3}\.\d{1,3} /;

/** A PROXY header of version 1, and the line that is in one of version 2; no command of a mail client. */
const proxyHeader = /^(?:PROXY |\0$)/;

/**
 * Parameters of MAIL: those of what EHLO offers (RFC 1870, 6152, 6531), and AUTH, which a server has to take of
 * anybody (RFC 4954, section 5). For RCPT there is none.
 */
const ofMail: readonly string[] = ["SIZE", "BODY", "SMTPUTF8", "AUTH"];

export class Connection extends SMTPConnection {
  /** By which it counts. */
  readonly address: string;
  readonly #server: Server;
  #isReady = false;
  #upgradeBegan = Infinity;
  #isSigningIn = false;

  constructor(server: Server, socket: Socket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options);
    this.#server = server;
    this.address = plainAddress(options?.remoteAddress ?? socket.remoteAddress);
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

  /** As smtp-server's own, but for whose it is. Also called by its constructor. */
  override ["_createParser"](): Parser {
    const parser = new Parser({ maxCommandLength: this["_server"].options.maxCommandLength });
    parser.oncommand = (command, callback) => this["_onCommand"](command, callback);
    parser.on("error", ({ message }) => this.send(421, `Error: ${message}`));
    return parser;
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

  override ["_onCommand"](command: Buffer, callback?: () => void): void {
    if (proxyHeader.test(command.toString("latin1"))) {
      this.#server.rules.refusedHeader(this.address, "it sent a PROXY header, and is no trusted proxy");
      return this.send(421, "4.7.0 A PROXY header is not taken from your address");
    }
    // What follows AUTH is no command. With an asterisk a client gives up (RFC 4954, section 4): that is no try.
    const follows = this["_nextHandler"] !== false;
    this.#isSigningIn = follows ? command.toString().trim() !== "*" : /^auth\b/i.test(command.toString());
    super["_onCommand"](command, callback);
  }

  /** Not in the middle of a mail (RFC 4954, section 4): it would be another's from there on. */
  override handler_AUTH(command: Buffer, callback: () => void): void {
    if (!this.session.envelope.mailFrom) return super.handler_AUTH(command, callback);
    this.send(503, "5.5.1 Sign in before a mail or after it");
    callback();
  }

  /** Takes any number of blanks between the words of MAIL FROM and RCPT TO, as some programs send them. */
  override ["_parseAddressCommand"](name: string, command: Buffer | string) {
    return super["_parseAddressCommand"](name, command.toString().replace(/^(\w+) +(?=\w)/, "$1 "));
  }

  /** smtp-server's own overlooks parameters that it does not know; whoever sends one relies on it (RFC 5321, 4.1.1.11). */
  override ["_rejectInvalidParams"](...args: Parameters<SMTPConnection["_rejectInvalidParams"]>): boolean {
    const [{ args: given }, withValue, callback] = args;
    const known = withValue.includes("SIZE") ? ofMail : [];
    const unknown = Object.keys(given || {}).find((name) => !known.includes(name));
    if (unknown === undefined) return super["_rejectInvalidParams"](...args);
    const { responseCode, message } = new SmtpRefusal([555, "5.5.4"], `No such parameter is known here: ${unknown}`);
    this.send(responseCode, message);
    callback();
    return true;
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (Array.isArray(data)) return super.send(code, this.#offered(data), context);
    if (data == null || withStatus.test(data)) return super.send(code, data, data == null ? context : false);
    if (code === 421) return super.send(code, `${statusOfEnd(data)} ${data}`, false);
    // Of a try to sign in that can be read, the function is asked, and its refusal has a status code.
    if (code === 501 && this.#isSigningIn && !this.#server.rules.failedSignIn(this.session)) {
      return super.send(421, "4.7.0 Too many failed attempts to sign in", false);
    }
    return super.send(code, data, context);
  }

  /** Ends it at once; in the handshake of STARTTLS it is left to smtp-server, which has closed it and gives it 5 s. */
  cut(): void {
    if (!this["_upgrading"]) this["_socket"].destroy();
  }

  /** Of what EHLO lists: signing in only where the password is safe (RFC 4954, section 4). */
  #offered(features: string[]): string[] {
    if (this.session.secure || this.#server.rules.plainSignIn) return features;
    return features.filter((feature) => !feature.startsWith("AUTH "));
  }
}

/**
 * Why smtp-server ends a connection: it says of all that they timed out. A line that has no end is a fault of protocol
 * (RFC 3463, 5.0); whoever speaks HTTP, too soon, or nothing but what nobody knows, is sent away by a rule (7.0).
 */
function statusOfEnd(text: string): string {
  if (text.startsWith("Timeout")) return "4.4.2";
  return text.includes("too long") ? "4.5.0" : "4.7.0";
}

/** At a port for both, an IPv4 address comes as an IPv6 one. */
export function plainAddress(address = ""): string {
  return address.replace(/^::ffff:/i, "");
}
