/** How far a message came on its way to a relay, and what the relay said when it did not take it. */
import { Readable } from "node:stream";
import { codeOf } from "./disk.ts";

/** `none`: nothing of the message was written; `part`: not its end; `whole`: its end may have been. */
export type MessageProgress = "none" | "part" | "whole";

/**
 * Watches a message go to the connection: nodemailer's errors do not tell whether its final dot had been written. The
 * dot follows the end of the stream, so a message whose end was not asked for has none; another one may have it.
 */
export class MessageWatch {
  progress: MessageProgress = "none";

  /** Reads no further than the connection asks; other streams read ahead. */
  stream(message: Readable): Readable {
    return Readable.from(this.#watched(message), { objectMode: false, highWaterMark: 0 });
  }

  /** Of a message that is begun anew on another connection, the last counts. */
  async *#watched(message: Readable): AsyncGenerator<Buffer> {
    this.progress = "part";
    yield* message;
    this.progress = "whole";
  }
}

export type RelayStep = "connection" | "login" | "envelope" | "message";

/** The relay has not taken the message, or it is not known whether it has. */
export class RelayFailure extends Error {
  override name = "RelayFailure";
  /** The relay's reply that decided, 400 to 599; undefined when there was none. */
  readonly reply: number | undefined;
  /** Its text, on one line. */
  readonly text: string;
  readonly step: RelayStep;
  /** Node's or nodemailer's name of what happened: `ECONNREFUSED`, `ETIMEDOUT`, … */
  readonly code: string;
  readonly progress: MessageProgress;

  constructor(error: unknown, progress: MessageProgress) {
    const { code, message, command, response, responseCode, originalCode }: Partial<SmtpError> =
      error instanceof Error ? error : {};
    super("The relay did not take the message", { cause: error });
    this.code = typeof originalCode === "string" ? originalCode : codeOf(error) || "UNKNOWN";
    this.step = stepOf(code, command);
    this.progress = progress;
    // Nodemailer compares the size with the one that the relay announces (RFC 1870) before it sends anything.
    const announced = code === "EMESSAGE" && responseCode === undefined && command === "MAIL FROM";
    // A relay that does not start TLS is not reached, whatever it replies.
    const replied = responseCode !== undefined && responseCode >= 400 && responseCode < 600 && code !== "ETLS";
    this.reply = announced ? 552 : replied ? responseCode : undefined;
    const said = textOf(response);
    // Of what a relay says of a sign-in, its status code alone (RFC 3463): the rest may repeat the password.
    const told = this.step === "login" ? (/^[45]\.\d{1,3}\.\d{1,3}\b/.exec(said)?.[0] ?? "") : said;
    this.text = announced ? (message ?? "") : told;
  }
}

/** What nodemailer adds to its errors. */
interface SmtpError extends Error {
  code?: string;
  /** `CONN`, `EHLO`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA`. */
  command?: string;
  response?: string;
  responseCode?: number;
  /** That of the system, where `code` is nodemailer's. */
  originalCode?: string;
}

function stepOf(code: string | undefined, command = ""): RelayStep {
  if (code === "EAUTH" || command.startsWith("AUTH")) return "login";
  if (code === "EENVELOPE") return command === "DATA" ? "message" : "envelope";
  return code === "EMESSAGE" ? "message" : "connection";
}

/** A reply's text (RFC 5321, section 4.2.1): the lines without the code. */
function textOf(response = ""): string {
  return response
    .split(/\r?\n/)
    .map((line) => line.replace(/^\d{3}[ -]?/, "").trim())
    .join(" ")
    .trim()
    .slice(0, 500);
}
