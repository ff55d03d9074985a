/** Problems in the words of SMTP: reply codes of RFC 5321, enhanced status codes of RFC 3463. */
import type { Problem } from "../problem.ts";
import type { SmtpReply } from "../smtp.ts";

/** An error as smtp-server answers it: with its own code, and its message after that. */
export class SmtpRefusal extends Error {
  readonly responseCode: number;

  /** The message may say anything: of it goes out what SMTP can carry. */
  constructor([code, status]: SmtpReply, message: string) {
    super(`${status} ${plain(message)}`);
    this.name = "SmtpRefusal";
    this.responseCode = code;
  }
}

/** Which command is answered: at each, the same problem may have another code. */
export type SmtpStep = "sign-in" | "sender" | "recipient" | "message";

const byStatus: Readonly<Record<number, SmtpReply>> = {
  403: [550, "5.7.1"],
  404: [550, "5.1.1"],
  413: [552, "5.3.4"],
  429: [452, "4.7.1"],
  503: [451, "4.3.0"],
  504: [451, "4.3.0"],
};

/** What is wrong with the command itself. */
const malformed: Readonly<Record<SmtpStep, SmtpReply>> = {
  "sign-in": [501, "5.5.4"],
  sender: [553, "5.1.7"],
  recipient: [553, "5.1.3"],
  message: [554, "5.6.0"],
};

/**
 * The reply to a problem. `own` are those that a contract gives by code. What is our own fault is a passing one: the
 * client keeps the mail and comes again.
 */
export function refusalOf(
  problem: Problem,
  step: SmtpStep,
  own: Readonly<Record<string, SmtpReply>> = {},
): SmtpRefusal {
  return new SmtpRefusal(replyTo(problem, step, own), problem.message);
}

function replyTo({ status, code }: Problem, step: SmtpStep, own: Readonly<Record<string, SmtpReply>>): SmtpReply {
  const given = own[code];
  if (given) return given;
  if (step === "sign-in") {
    // RFC 4954, section 6.
    return status >= 500 || status === 429 ? [454, "4.7.0"] : [535, "5.7.8"];
  }
  if (status === 401) return [530, "5.7.0"];
  return byStatus[status] ?? (status >= 500 ? [451, "4.3.0"] : malformed[step]);
}

/** A reply line has at most 512 bytes (RFC 5321, section 4.5.3.1.5), and is ASCII. */
function plain(message: string): string {
  return message.replaceAll(/[^ -~]+/g, "?").slice(0, 400);
}
