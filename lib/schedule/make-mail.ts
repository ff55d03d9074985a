/** What becomes of a claimed job: a mail and its next time, or what is wrong with it. */
import type { Context } from "../../runtime/context.ts";
import type { Detail } from "../../runtime/problem.ts";
import { Caller } from "../auth/caller.ts";
import type { MailRow } from "../mail/accept.sql.ts";
import { candidate, mailRow, type Candidate } from "../mail/candidate.ts";
import { SecretFault } from "../resources/secrets.ts";
import type { Relay } from "../resources/smtp-relays.ts";
import { sealRelay } from "../senders/own-relay.ts";
import type { Claimed } from "./claim.sql.ts";
import type { ExecutionStatus } from "./job.ts";
import { jobDraft, jobRelay, relayFaults } from "./job-mail.ts";
import { neverFires, planFaults, type NextRun } from "./plan.ts";

/** Whose mail it is: jobs belong to the service, and not to a client. Limits of clients and recipients are not for it. */
export const service = new Caller({
  id: "",
  client_id: "scheduled-mail",
  client_name: "Scheduled mail",
  department: null,
  permissions: ["mail:send"],
});

/** A job that was run, as far as it goes: its mail is in the queue, or it has failed. */
export interface Run {
  id: number;
  progcode: string;
  sender: string;
  recipients: string;
  subject: string;
  executionstatus: ExecutionStatus;
  nextexecutetime: Date;
  lastexecutetime: Date;
  lasterror: string | null;
  mailid: string | null;
}

export interface Made {
  run: Run;
  /** Absent where something is wrong. */
  mail?: { candidate: Candidate; row: MailRow };
  /** What is wrong, by column. */
  faults: readonly Detail[];
  /** Whether it is due at another time from here on. */
  changesTime: boolean;
}

/** Never throws: a job that nothing is prepared for fails alone, and not again and again with all that are beside it. */
export function makeMail(ctx: Context, job: Claimed, nextRun: NextRun): Made {
  try {
    const next = nextTime(ctx, job, nextRun);
    const draft = jobDraft(job, ctx.clock.now());
    const relay = ownRelay(ctx, job);
    const faults = [draft, relay, next].filter((part) => Array.isArray(part)).flat();
    if (Array.isArray(draft) || Array.isArray(relay) || Array.isArray(next)) return failed(job, faults, next);
    const mail = candidate(ctx, draft, ctx.newTrace("scheduled mail", { job: job.id, client_id: service.clientId }));
    const row = { ...mailRow(service, "schedule", mail, null), relay: relay ? sealRelay(ctx, relay, mail.id) : null };
    const run = { ...runOf(job, next), executionstatus: "Processing" as const, mailid: mail.id };
    return { run, mail: { candidate: mail, row }, faults, changesTime: next !== job.nextexecutetime };
  } catch (error) {
    ctx.log.error({ err: error, job: job.id }, "a job of scheduled mail could not be made into a mail");
    return failed(job, [{ field: "job", message: "could not be made into a mail; the log says why" }], []);
  }
}

/** One that repeats goes on, unless it is the plan that is wrong. */
function failed(job: Claimed, faults: readonly Detail[], next: Date | Detail[]): Made {
  const goesOn = job.cronexpr !== null && !Array.isArray(next) && next > job.lastexecutetime;
  const lasterror = faults.map(({ field, message }) => `${field} ${message}`).join("; ");
  const run = runOf(job, Array.isArray(next) ? job.nextexecutetime : next);
  const changesTime = run.nextexecutetime !== job.nextexecutetime;
  return { run: { ...run, executionstatus: goesOn ? "Pending" : "Failed", lasterror }, faults, changesTime };
}

function runOf(job: Claimed, nextexecutetime: Date): Omit<Run, "executionstatus"> {
  const { id, progcode, sender, recipients, subject, lastexecutetime } = job;
  const common = { id: Number(id), progcode, sender, recipients, subject };
  return { ...common, nextexecutetime, lastexecutetime, lasterror: null, mailid: null };
}

/**
 * When a job is due next, or what is wrong with its plan: one that repeats by its plan, and once for all that it missed.
 * A run by hand before its time leaves the plan alone. The time stays where there is no plan, or no day in it any more.
 */
function nextTime({ config }: Context, job: Claimed, nextRun: NextRun): Date | Detail[] {
  const { cronexpr, timezone, nextexecutetime, lastexecutetime } = job;
  if (cronexpr === null || nextexecutetime > lastexecutetime) return nextexecutetime;
  const next = nextRun(cronexpr, timezone ?? config.scheduleTimezone, lastexecutetime);
  if (next) return next;
  const faults = planFaults({ cronexpr, timezone }).filter(({ message }) => message !== neverFires);
  return faults.length > 0 ? faults : nextexecutetime;
}

function ownRelay(ctx: Context, job: Claimed): Relay | undefined | Detail[] {
  const faults = job.smtphost === null ? [] : relayFaults(job);
  if (faults.length > 0) return faults;
  try {
    return jobRelay(ctx, job);
  } catch (error) {
    if (!(error instanceof SecretFault)) throw error;
    return [{ field: "smtppassword", message: `cannot be opened: ${error.message}` }];
  }
}
