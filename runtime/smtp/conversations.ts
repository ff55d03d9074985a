/** What is said with the clients of one SMTP function: who they are, what they send, and what they are answered. */
import type { SMTPServerAuthentication, SMTPServerDataStream, SMTPServerSession } from "smtp-server";
import type { Context, Logger } from "../context.ts";
import { callSource, type HostCall } from "../host/call.ts";
import type { Host } from "../host/host.ts";
import type { CallStats } from "../host/metrics.ts";
import type { Slot } from "../host/slot.ts";
import { Problem, problems } from "../problem.ts";
import type { SmtpFunction, SmtpSession } from "../smtp.ts";
import { forgetRest } from "./incoming.ts";
import { PutOff } from "./put-off.ts";
import { refusalOf, SmtpRefusal, type SmtpStep } from "./reply.ts";
import { ClientGone, Transaction, type Compiled, type SmtpVersion } from "./transaction.ts";

export type SmtpSlot = Slot<SmtpFunction, Compiled> & { stats: CallStats; log: Logger };

/** What is remembered of a connection. */
interface Client {
  credentials: SmtpSession["credentials"];
  failures: number;
  transaction: Transaction | undefined;
  /** When what the client is doing must be over (`performance.now()`); Infinity while it waits for us. */
  deadline: number;
  hasLeft: boolean;
}

/** Tries to sign in before a connection ends. */
const mostFailures = 3;

export class Conversations {
  /** Takes no more mail: who begins one is sent away. */
  isClosing = false;
  /** Since the function was mounted. */
  failedSignIns = 0;
  readonly #host: Host;
  readonly #slot: SmtpSlot;
  readonly #clients = new WeakMap<SMTPServerSession, Client>();
  readonly #transactions = new Set<Transaction>();
  readonly #putOff = new PutOff();

  constructor(host: Host, slot: SmtpSlot) {
    this.#host = host;
    this.#slot = slot;
  }

  /** Resolves with the user's name. */
  async signIn({ username, password }: SMTPServerAuthentication, session: SMTPServerSession): Promise<string> {
    const client = this.#clientOf(session);
    if (client.failures >= mostFailures) throw new SmtpRefusal([421, "4.7.0"], "Too many failed attempts to sign in");
    const version = this.#slot.current;
    if (!session.secure && !version.compiled.plainSignIn) {
      throw new SmtpRefusal([538, "5.7.11"], "Sign in over TLS: after STARTTLS, or on the port where TLS comes first");
    }
    const credentials = { user: username ?? "", password: password ?? "" };
    const ctx = this.#newContext(version, session);
    try {
      await version.compiled.access.check(asSeen(session, credentials), ctx);
    } catch (error) {
      this.failedSignIn(session);
      throw this.#refusal(error, "sign-in", version, ctx);
    }
    client.credentials = credentials;
    return credentials.user;
  }

  /** Counts a try to sign in that has failed. Returns false for one that was no longer allowed. */
  failedSignIn(session: SMTPServerSession): boolean {
    const client = this.#clientOf(session);
    if (client.failures >= mostFailures) return false;
    client.failures++;
    this.failedSignIns++;
    return true;
  }

  /** Begins a transaction. */
  async begin(from: string, session: SMTPServerSession): Promise<void> {
    if (this.isClosing) throw new SmtpRefusal([421, "4.3.2"], "This server is closing; try again");
    const client = this.#clientOf(session);
    this.#end(client);
    const { stats } = this.#slot;
    const version = this.#slot.next();
    const { access, concurrency } = version.compiled;
    if (version.inflight >= concurrency) {
      stats.shed++;
      throw refusalOf(problems.overloaded(), "sender");
    }
    const started = performance.now();
    const ctx = this.#newContext(version, session);
    try {
      const caller = await access.check(asSeen(session, client.credentials), ctx);
      ctx.tag(this.#host.callerTags(caller));
      await access.sender?.(from, caller, ctx);
      // Nobody would end its transaction.
      if (client.hasLeft) throw new ClientGone("The client has gone before it was let in");
      client.transaction = new Transaction(version, ctx, session, caller);
      this.#transactions.add(client.transaction);
    } catch (error) {
      const refusal = this.#refusal(error, "sender", version, ctx);
      stats.observe(refusal.responseCode, performance.now() - started, version.loaded.hash);
      version.calls++;
      throw refusal;
    }
  }

  async recipient(to: string, session: SMTPServerSession): Promise<void> {
    const { version, caller, ctx } = this.#transactionOf(session);
    try {
      await version.compiled.access.recipient?.(to, caller, ctx);
    } catch (error) {
      throw this.#refusal(error, "recipient", version, ctx);
    }
  }

  /** Lets the function take a message. Resolves with the text of the answer; `cut` ends the connection. */
  async receive(stream: SMTPServerDataStream, session: SMTPServerSession, cut: () => void): Promise<string> {
    const client = this.#clientOf(session);
    const transaction = this.#transactionOf(session);
    const { version, ctx } = transaction;
    const { sizeLimit, patience } = version.compiled;
    const started = performance.now();
    const answered = (code: number, reply?: unknown) => {
      const durationMs = performance.now() - started;
      this.#slot.stats.observe(code, durationMs, version.loaded.hash);
      version.calls++;
      const { name } = this.#slot;
      const { remoteAddress: ip } = session;
      const { caller } = transaction;
      ctx.ended({
        name: `SMTP ${name}`,
        kind: "server",
        startedAt: started,
        tags: { function: name, version: version.loaded.hash, smtp_session: session.id, "smtp.reply": code },
        failure: code >= 400 ? `smtp_${code}` : undefined,
      });
      this.#host.onCall?.({
        function: name,
        method: "SMTP",
        path: name,
        params: undefined,
        status: code,
        durationMs,
        ip,
        caller,
        reply,
      });
    };
    client.deadline = started + patience.mailMs;
    try {
      const { text, reply } = await transaction.receive(
        stream,
        this.#host.timeLimits,
        () => (client.deadline = Infinity),
      );
      answered(250, reply);
      return text;
    } catch (error) {
      const refusal = this.#refusal(error, "message", version, ctx);
      answered(refusal.responseCode);
      throw refusal;
    } finally {
      await forgetRest(stream, 2 * sizeLimit, cut);
      client.deadline = performance.now() + patience.mailMs;
      this.#end(client);
    }
  }

  /** A client has come. */
  met(session: SMTPServerSession): void {
    this.#clientOf(session);
  }

  /** A client has gone. */
  left(session: SMTPServerSession): void {
    const client = this.#clients.get(session);
    if (!client) return;
    client.hasLeft = true;
    this.#end(client);
  }

  /** Whether a client has taken longer than it may. */
  isOverdue(session: SMTPServerSession, now: number): boolean {
    return now > (this.#clients.get(session)?.deadline ?? Infinity);
  }

  /** Whether a client is in the middle of handing over a mail. */
  isBusy(session: SMTPServerSession): boolean {
    const transaction = this.#clients.get(session)?.transaction;
    return transaction !== undefined && !transaction.isAbandoned;
  }

  /** Whether a client has handed over a mail and waits for its answer. */
  isAnswering(session: SMTPServerSession): boolean {
    return this.#clients.get(session)?.deadline === Infinity;
  }

  /** Ends the transactions that their clients have given up. */
  endAbandoned(): void {
    for (const transaction of this.#transactions) {
      if (!transaction.isAbandoned) continue;
      transaction.end();
      this.#transactions.delete(transaction);
    }
  }

  #clientOf(session: SMTPServerSession): Client {
    let client = this.#clients.get(session);
    if (!client) {
      const deadline = performance.now() + this.#slot.current.compiled.patience.mailMs;
      client = { credentials: undefined, failures: 0, transaction: undefined, deadline, hasLeft: false };
      this.#clients.set(session, client);
    }
    // STARTTLS forgets who has signed in before (RFC 3207, section 4.2).
    if (!session.user) client.credentials = undefined;
    return client;
  }

  #transactionOf(session: SMTPServerSession): Transaction {
    const transaction = this.#clients.get(session)?.transaction;
    if (!transaction) throw new SmtpRefusal([503, "5.5.1"], "Begin with MAIL FROM");
    return transaction;
  }

  #end(client: Client): void {
    const { transaction } = client;
    client.transaction = undefined;
    if (!transaction) return;
    transaction.end();
    this.#transactions.delete(transaction);
  }

  #newContext(version: SmtpVersion, session: SMTPServerSession): HostCall & Context {
    return this.#host.newContext(
      callSource(this.#slot.log, { version: version.loaded.hash, smtp_session: session.id, ip: session.remoteAddress }),
    );
  }

  /** What the client is told of an error, and the log. */
  #refusal(error: unknown, step: SmtpStep, version: SmtpVersion, ctx: Context): SmtpRefusal {
    if (error instanceof SmtpRefusal) return error;
    if (error instanceof ClientGone) return new SmtpRefusal([451, "4.4.2"], error.message);
    const known = error instanceof Problem ? error : this.#host.translate(error);
    const problem = known ?? problems.internal({ cause: error });
    const refusal = refusalOf(problem, step, version.compiled.replies);
    this.#slot.stats.failed(problem.code);
    const told = { code: problem.code, reply: refusal.responseCode };
    if (problem.status === 503) this.#putOff.tell(this.#slot.log, problem, refusal.responseCode);
    else if (problem.status >= 500) {
      version.faults++;
      ctx.log.error({ err: problem.cause ?? problem, ...told }, "a mail could not be taken");
    } else ctx.log.info({ ...told, step }, "refused");
    return refusal;
  }
}

function asSeen({ remoteAddress, secure }: SMTPServerSession, credentials: SmtpSession["credentials"]): SmtpSession {
  // Of an IPv6 address, the network interface says nothing to a rule.
  return { remoteAddress: remoteAddress.replace(/%.*$/, ""), secure, credentials };
}
