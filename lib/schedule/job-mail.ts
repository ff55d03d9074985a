/** From a job to its mail: what its columns say, checked as any other mail is. */
import type { Context } from "../../runtime/context.ts";
import { Problem, type Detail } from "../../runtime/problem.ts";
import { draftMail, type Draft } from "../mail/draft.ts";
import type { Relay } from "../resources/smtp-relays.ts";
import { smtpSecurities, type JobMail, type JobRelay } from "./job.ts";

/** What a sealed password is sealed for: the table and no row, as operators copy jobs by SQL. */
export const passwordPlace = "tblschedulemail.smtppassword";

const sealedPattern = /^v1\.[\da-f]{8}\.[\w-]+$/;

/** Whether a password lies there as this system keeps it. */
export function isSealed(password: string): boolean {
  return sealedPattern.test(password);
}

/** The job's mail, or everything that is wrong with it by column. */
export function jobDraft(job: JobMail, now: Date): Draft | Detail[] {
  const text = isHtml(job.body) ? { html: job.body } : { body: job.body };
  const lists = { to: addressList(job.recipients), cc: addressList(job.cc ?? ""), bcc: addressList(job.bcc ?? "") };
  if (lists.to.length === 0) return [{ field: "recipients", message: "must have at least one address" }];
  if (job.body === "") return [{ field: "body", message: "must not be empty" }];
  try {
    return draftMail({ from: job.sender, ...lists, subject: job.subject, ...text }, { maxAttachmentBytes: 0, now });
  } catch (error) {
    if (error instanceof Problem && error.details) return error.details.map(ofColumn);
    throw error;
  }
}

/** A fault of the mail as one of the job: `to[1]` is the second entry of the column `recipients`. */
function ofColumn({ field, message }: Detail): Detail {
  const [, name = field, index] = /^(\w+)\[(\d+)\]$/.exec(field) ?? [];
  const column = { from: "sender", to: "recipients", html: "body" }[name] ?? name;
  return { field: column, message: index === undefined ? message : `entry ${Number(index) + 1} ${message}` };
}

/** Addresses with commas or semicolons between them; in a quoted name these belong to the name. */
export function addressList(text: string): string[] {
  const entries: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (at >= text.length || (!quoted && (character === "," || character === ";"))) {
      entries.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return entries.filter((entry) => entry !== "");
}

/** A body with anything like an element in it is HTML, as jobs have always had it; any other is plain text. */
function isHtml(body: string): boolean {
  return /<(?:!doctype|[a-z][a-z\d]*)(?:\s[^<>]*)?\/?>/i.test(body);
}

/** What is wrong with the relay of a job, by column. */
export function relayFaults(job: JobRelay): Detail[] {
  const faults: Detail[] = [];
  const given = (["smtpport", "smtpuser", "smtppassword", "smtpsecure"] as const).filter(
    (column) => job[column] !== null,
  );
  if (job.smtphost === null) return given.map((field) => ({ field, message: "needs an smtphost" }));
  if (!/^[\w.:-]{1,255}$/.test(job.smtphost)) {
    faults.push({ field: "smtphost", message: "must be the name or the address of a host" });
  }
  if (job.smtpport !== null && (job.smtpport < 1 || job.smtpport > 65535)) {
    faults.push({ field: "smtpport", message: "must be from 1 to 65535" });
  }
  if (job.smtpsecure !== null && !smtpSecurities.some((one) => one === job.smtpsecure?.toLowerCase())) {
    faults.push({ field: "smtpsecure", message: `must be one of ${smtpSecurities.join(", ")}` });
  }
  if (job.smtppassword !== null && !job.smtpuser) faults.push({ field: "smtppassword", message: "needs an smtpuser" });
  return faults;
}

/**
 * The job's own relay, if it has one; its columns must have been checked. TLS comes first on port 465 (RFC 8314), and
 * by STARTTLS elsewhere, unless the job says otherwise. Throws `SecretFault` when no key here opens its password.
 */
export function jobRelay({ secrets }: Pick<Context, "secrets">, job: JobRelay): Relay | undefined {
  if (job.smtphost === null) return undefined;
  const secure =
    smtpSecurities.find((one) => one === job.smtpsecure?.toLowerCase()) ?? (job.smtpport === 465 ? "tls" : "starttls");
  const port = job.smtpport ?? (secure === "tls" ? 465 : 587);
  const { smtphost: host, smtpuser: user, smtppassword: kept } = job;
  if (!user) return { host, port, secure, from: undefined, auth: { kind: "none" } };
  const password = kept !== null && isSealed(kept) ? secrets.open(kept, passwordPlace) : (kept ?? "");
  return { host, port, secure, from: undefined, auth: { kind: "password", user, password } };
}
