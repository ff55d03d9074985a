/** One mail transaction: from MAIL FROM to the answer to its message. It stays on the version that it began with. */
import type { SMTPServerAddress, SMTPServerDataStream, SMTPServerSession } from "smtp-server";
import type { Context } from "../context.ts";
import type { HostCall } from "../host/call.ts";
import type { TimeLimits } from "../host/time-limits.ts";
import { Limited } from "../host/time-limits.ts";
import type { Version } from "../host/slot.ts";
import { problems } from "../problem.ts";
import type { CertificateFiles, Received, SmtpAccess, SmtpContract, SmtpFunction, SmtpReply } from "../smtp.ts";
import { incomingMessage } from "./incoming.ts";

/** A contract with its settings read. */
export interface Compiled {
  port: number;
  tlsPort: number;
  certificate: CertificateFiles | undefined;
  hostname: string | undefined;
  access: SmtpAccess<unknown>;
  trustsProxy: SmtpContract<unknown>["trustsProxy"];
  plainSignIn: boolean;
  sizeLimit: number;
  recipientLimit: number;
  connections: { total: number; perAddress: number };
  patience: { idleMs: number; mailMs: number };
  concurrency: number;
  timeLimitMs: number;
  replies: Readonly<Record<string, SmtpReply>>;
}

export type SmtpVersion = Version<SmtpFunction, Compiled>;

export class ClientGone extends Error {
  override name = "ClientGone";
}

export class Transaction {
  readonly version: SmtpVersion;
  readonly ctx: HostCall & Context;
  readonly caller: unknown;
  readonly #session: SMTPServerSession;
  readonly #envelope: SMTPServerSession["envelope"];
  #isReceiving = false;
  #ended = false;

  constructor(version: SmtpVersion, ctx: HostCall & Context, session: SMTPServerSession, caller: unknown) {
    this.version = version;
    this.ctx = ctx;
    this.caller = caller;
    this.#session = session;
    this.#envelope = session.envelope;
    version.inflight++;
  }

  /** Whether the client has begun anew, by RSET or EHLO: smtp-server then gives the session another envelope, and says nothing. */
  get isAbandoned(): boolean {
    return !this.#isReceiving && this.#envelope !== this.#session.envelope;
  }

  /** Leaves the version, unless the function is at work: then that leaves it. */
  end(): void {
    if (!this.#isReceiving) this.#leave();
  }

  /**
   * Lets the function take the message; `complete` is told when all of it has come. Throws what the function throws,
   * `ClientGone` for a message that stays incomplete, and `time_limit` when the function takes longer than it may; it
   * may then still go on.
   */
  async receive(stream: SMTPServerDataStream, timeLimits: TimeLimits, complete: () => void): Promise<Received> {
    this.#isReceiving = true;
    const { compiled, loaded } = this.version;
    const { promise: tooLate, reject } = Promise.withResolvers<never>();
    const expire = () => {
      const problem = problems.timeLimit();
      this.ctx.abort(problem);
      reject(problem);
    };
    let limit: Limited | undefined;
    const ended = () => {
      complete();
      limit = new Limited(performance.now() + compiled.timeLimitMs, expire);
      timeLimits.add(limit);
    };
    stream.once("error", () => this.ctx.abort(new ClientGone("The client has gone before its message was complete")));
    const request = {
      envelope: { from: addressOf(this.#envelope.mailFrom), to: this.#envelope.rcptTo.map(addressOf) },
      message: incomingMessage(stream, { bytes: compiled.sizeLimit, ended }),
      caller: this.caller,
      remoteAddress: this.#session.remoteAddress,
    };
    // What `smtp` has promised of its handler.
    const work = Promise.resolve(loaded.definition.handler(request, this.ctx)) as Promise<Received>;
    const left = () => this.#leave();
    work.then(left, left);
    try {
      return await Promise.race([work, tooLate]);
    } catch (error) {
      throw stream.destroyed && !stream.readableEnded ? new ClientGone("The client has gone", { cause: error }) : error;
    } finally {
      if (limit) timeLimits.delete(limit);
    }
  }

  #leave(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.version.leave();
  }
}

function addressOf(given: SMTPServerAddress | false): string {
  return given === false ? "" : given.address;
}
