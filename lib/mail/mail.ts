/** The words that the rest of the mail domain shares. */
import type { QueueDeclaration } from "../../runtime/broker.ts";
import type { Config } from "../config.ts";

export type MailStatus = "queued" | "processing" | "sent" | "failed" | "cancelled";

/** How a mail came in. */
export type MailSource = "api" | "smtp" | "schedule";

/** The message on the mail queue: the database knows the rest. */
export interface MailJob {
  mail_id: string;
  /** What it weighs, where it is not light: so a worker knows before it claims it. */
  bytes?: number;
}

/** What a sender is given. */
export interface OutgoingMail {
  readonly id: string;
  readonly attempt: number;
  readonly source: MailSource;
  readonly clientId: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly replyTo?: readonly string[];
  /** Further headers, by name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Display names by address. */
  readonly names: Readonly<Record<string, string>>;
  readonly subject: string;
  readonly text: string | undefined;
  readonly html: string | undefined;
  readonly createdAt: Date;
  readonly attachments: readonly StoredAttachment[];
  /** Its own relay, with its password sealed. */
  readonly relay?: unknown;
}

export interface StoredAttachment {
  readonly filename: string;
  readonly contentType: string | undefined;
  readonly sizeBytes: number;
  /** Of a picture that the html shows: its name there, after `cid:`. */
  readonly contentId?: string | undefined;
  /** Relative to the attachment folder. */
  readonly path: string;
}

/** Milliseconds before the retries of a mail: 1, 2, 4, 8, 16 s … */
export function retryLadderMs(maxRetries: number): number[] {
  return Array.from({ length: maxRetries }, (_, index) => 1000 * 2 ** index);
}

/** The mail queue as everyone who publishes to it or consumes from it declares it: both must find it there. */
export function mailQueue(config: Pick<Config, "queues" | "maxRetries">): QueueDeclaration & { deadLetter: string } {
  return {
    name: config.queues.mail,
    retryDelaysMs: retryLadderMs(config.maxRetries),
    deadLetter: config.queues.failed,
  };
}

/** How long a worker may work on a mail it has claimed. Longer than the time limit of the delivering function. */
export const leaseSeconds = 60;

/** After this long a queued mail is published again, in case its message never reached the broker. */
export const publishGraceSeconds = 30;

/**
 * Order of a mail's states for the cache, so that a late write never hides a newer one: it grows with every step of
 * every attempt.
 */
export function stateVersion(status: MailStatus, attempt: number): number {
  return status === "processing" ? 2 * attempt - 1 : status === "cancelled" ? 2 * attempt + 1 : 2 * attempt;
}
