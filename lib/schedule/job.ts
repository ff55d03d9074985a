/** The words that the rest of scheduled mail shares. Names are the columns', as its users know them. */
import type { Relay } from "../resources/smtp-relays.ts";

export const statuses = ["Pending", "Processing", "Success", "Failed"] as const;
export type ExecutionStatus = (typeof statuses)[number];

export const smtpSecurities = ["starttls", "tls", "none"] as const satisfies readonly Relay["secure"][];

/** What of a job makes its mail. */
export interface JobMail {
  sender: string;
  recipients: string;
  cc: string | null;
  bcc: string | null;
  subject: string;
  body: string;
}

/** A relay of its own: without a host it has none. */
export interface JobRelay {
  smtphost: string | null;
  smtpport: number | null;
  smtpuser: string | null;
  /** Sealed, or in clear where somebody wrote it into the table. */
  smtppassword: string | null;
  smtpsecure: string | null;
}

/** When it repeats, and in which time zone; without a line it runs once. */
export interface JobPlan {
  cronexpr: string | null;
  timezone: string | null;
}

/** A job as it is shown: without its password. */
export interface Job extends JobMail, Omit<JobRelay, "smtppassword">, JobPlan {
  id: number;
  progcode: string;
  isenabled: boolean;
  nextexecutetime: Date;
  executionstatus: ExecutionStatus;
  lastexecutetime: Date | null;
  lasterror: string | null;
  /** The mail of its last run. */
  mailid: string | null;
  createdat: Date;
  updatedat: Date;
}
