/** Administering jobs of scheduled mail. */
import {
  LockMode,
  UniqueConstraintViolationException,
  type InferEntity,
  type RequiredEntityData,
} from "@mikro-orm/core";
import type { Context } from "../../runtime/context.ts";
import type { Detail } from "../../runtime/problem.ts";
import { invalid } from "../mail/draft.ts";
import { ScheduledMail } from "../resources/entities.ts";
import type { ExecutionStatus, Job, JobMail, JobPlan, JobRelay } from "./job.ts";
import { jobDraft, passwordPlace, relayFaults } from "./job-mail.ts";
import { nextRun, parseTime, planFaults } from "./plan.ts";
import { jobIsProcessing, jobNotFound } from "./problems.ts";

/** What is said of a job; the password in clear. */
export interface JobSettings extends JobMail, JobRelay, JobPlan {
  progcode: string;
  isenabled: boolean;
  /** As `parseTime` reads it. Without one, a job that repeats begins with its plan's first time. */
  nextexecutetime: string;
  /** Only to begin anew: the other states are the system's. */
  executionstatus: "Pending";
}

export type NewJob = Pick<JobSettings, "progcode" | "sender" | "recipients" | "subject" | "body"> &
  Partial<JobSettings>;

/** Of what a client sends, the rest is not for it to say. */
const settings = [
  ...(["progcode", "sender", "recipients", "cc", "bcc", "subject", "body", "isenabled", "nextexecutetime"] as const),
  ...(["executionstatus", "cronexpr", "timezone"] as const),
  ...(["smtphost", "smtpport", "smtpuser", "smtppassword", "smtpsecure"] as const),
] satisfies (keyof JobSettings)[];

function only<Given extends Partial<JobSettings>>(given: Given): Given {
  const kept = settings.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]);
  return Object.fromEntries(kept) as Given;
}

/** Columns that say where the password goes to. */
const relayColumns = ["smtphost", "smtpport", "smtpuser", "smtpsecure"] as const;

type Administration = Pick<Context, "entities" | "db" | "secrets" | "clock" | "config">;
type Row = InferEntity<typeof ScheduledMail>;

const nothingOptional = {
  cc: null,
  bcc: null,
  smtphost: null,
  smtpport: null,
  smtpuser: null,
  smtppassword: null,
  smtpsecure: null,
  cronexpr: null,
  timezone: null,
  lastexecutetime: null,
  lasterror: null,
  mailid: null,
};

/** Returns once the job is committed. Throws `invalid_request`, with what is wrong by column. */
export async function createJob(ctx: Administration, sent: NewJob): Promise<Job> {
  const given = only(sent);
  const now = ctx.clock.now();
  const job = {
    ...nothingOptional,
    isenabled: true,
    executionstatus: "Pending" as const,
    createdat: now,
    updatedat: now,
    ...given,
  };
  const next = nextOf(ctx, given, job);
  const isMissing = next === undefined && job.cronexpr === null;
  const missing = isMissing ? [{ field: "nextexecutetime", message: "is required" }] : [];
  refuse([...faultsOf(ctx, job), ...(Array.isArray(next) ? next : missing)]);
  if (!(next instanceof Date)) throw new Error("A job without a time passed its checks");
  const data = { ...job, nextexecutetime: next, smtppassword: sealed(ctx, job.smtppassword) };
  try {
    return await insert(ctx, data);
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    // Rows that were brought along with their ids have not told the sequence.
    await ctx.db.query("SELECT setval(pg_get_serial_sequence('tblschedulemail', 'id'), max(id)) FROM tblschedulemail");
    return await insert(ctx, data);
  }
}

async function insert(ctx: Administration, data: RequiredEntityData<Row>): Promise<Job> {
  const em = await ctx.entities.fork();
  const row = em.create(ScheduledMail, data);
  await em.flush();
  return shown(row);
}

export interface JobFilter {
  progcode?: string;
  executionstatus?: ExecutionStatus;
  isenabled?: boolean;
}

/** In the order they were made. */
export async function listJobs(
  ctx: Administration,
  filter: JobFilter,
  { skip, limit }: { skip: number; limit: number },
): Promise<{ total: number; jobs: Job[] }> {
  const em = await ctx.entities.fork();
  const [rows, total] = await em.findAndCount(ScheduledMail, filter, { orderBy: { id: "asc" }, offset: skip, limit });
  return { total, jobs: rows.map(shown) };
}

/** Throws `job_not_found`. */
export async function readJob(ctx: Administration, id: number): Promise<Job> {
  const em = await ctx.entities.fork();
  const row = await em.findOne(ScheduledMail, { id });
  if (!row) throw jobNotFound();
  return shown(row);
}

/**
 * Changes what is given of a job, and nothing else; one that is done and gets a new time, or a new plan, begins anew.
 * Throws `job_not_found`, `invalid_request`, or `job_is_processing` for a new time while its mail is being sent.
 */
export async function updateJob(ctx: Administration, id: number, sent: Partial<JobSettings>): Promise<Job> {
  const given = withoutRelay(only(sent));
  const em = await ctx.entities.fork();
  return await em.transactional(async (tx) => {
    const row = await tx.findOne(ScheduledMail, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!row) throw jobNotFound();
    const { nextexecutetime: _, smtppassword, ...rest } = given;
    const kept = { ...shown(row), smtppassword: row.smtppassword ?? null };
    const job = { ...kept, ...rest, ...(smtppassword !== undefined && { smtppassword }) };
    const next = nextOf(ctx, changedPlan(ctx, given, kept), job);
    const needsPassword = kept.smtppassword !== null && smtppassword === undefined;
    const moves = needsPassword && relayColumns.some((name) => given[name] !== undefined && given[name] !== kept[name]);
    const secret = moves ? [{ field: "smtppassword", message: movedRelay }] : [];
    // Of what is wrong already, and was not touched, the change is not to blame.
    const mended = faultsOf(ctx, job).filter(({ field }) => field in given || isBeside(field, given));
    refuse([...mended, ...secret, ...(Array.isArray(next) ? next : [])]);
    const beginsAnew = next instanceof Date || given.executionstatus !== undefined;
    if (beginsAnew && row.executionstatus === "Processing") throw jobIsProcessing();
    tx.assign(row, {
      ...rest,
      ...(smtppassword !== undefined && { smtppassword: sealed(ctx, smtppassword) }),
      ...(next instanceof Date && { nextexecutetime: next }),
      ...(beginsAnew && { executionstatus: "Pending" }),
      updatedat: ctx.clock.now(),
    });
    return shown(row);
  });
}

/** Throws `job_not_found`. A mail that is in the queue already is sent all the same. */
export async function deleteJob(ctx: Administration, id: number): Promise<void> {
  const em = await ctx.entities.fork();
  if ((await em.nativeDelete(ScheduledMail, { id })) === 0) throw jobNotFound();
}

/** The time that the settings ask for: their own, or the first of a plan that they change. Undefined: none. */
function nextOf(ctx: Administration, given: Partial<JobSettings>, job: JobPlan): Date | Detail[] | undefined {
  const zone = ctx.config.scheduleTimezone;
  if (given.nextexecutetime !== undefined) {
    const time = parseTime(given.nextexecutetime, zone);
    return typeof time === "string" ? [{ field: "nextexecutetime", message: time }] : time;
  }
  const { cronexpr, timezone } = job;
  const changed = given.cronexpr != null || given.timezone !== undefined;
  if (!changed || cronexpr === null || planFaults(job).length > 0) return undefined;
  return nextRun(cronexpr, timezone ?? zone, ctx.clock.now()) ?? undefined;
}

/** Of a plan and a time, what is not as it was: whoever sends a job back as he got it does not begin it anew. */
function changedPlan(ctx: Administration, given: Partial<JobSettings>, kept: Job): Partial<JobSettings> {
  const { nextexecutetime, cronexpr, timezone } = given;
  const time = nextexecutetime === undefined ? undefined : parseTime(nextexecutetime, ctx.config.scheduleTimezone);
  const isSame = time instanceof Date && time.getTime() === kept.nextexecutetime.getTime();
  return {
    ...(nextexecutetime !== undefined && !isSame && { nextexecutetime }),
    ...(cronexpr !== undefined && cronexpr !== kept.cronexpr && { cronexpr }),
    ...(timezone !== undefined && timezone !== kept.timezone && { timezone }),
  };
}

/** Whoever may change where the password goes must know it: else it could be had by sending it somewhere else. */
const movedRelay = "must be given again, or null, as the relay is another";

/** Without a host there is no relay. */
function withoutRelay(given: Partial<JobSettings>): Partial<JobSettings> {
  const none = { smtpport: null, smtpuser: null, smtppassword: null, smtpsecure: null };
  return given.smtphost === null ? { ...none, ...given } : given;
}

function faultsOf({ clock }: Administration, job: JobMail & JobRelay & JobPlan): Detail[] {
  const draft = jobDraft(job, clock.now());
  const zone =
    job.timezone !== null && job.cronexpr === null ? [{ field: "timezone", message: "needs a cronexpr" }] : [];
  return [...(Array.isArray(draft) ? draft : []), ...relayFaults(job), ...planFaults(job), ...zone];
}

/** Whether a column is judged together with one that is given. */
function isBeside(field: string, given: Partial<JobSettings>): boolean {
  const together = [
    ["smtphost", "smtpport", "smtpuser", "smtppassword", "smtpsecure"],
    ["cronexpr", "timezone"],
    ["recipients", "cc", "bcc"],
  ];
  return together.some((columns) => columns.includes(field) && columns.some((column) => column in given));
}

function refuse(faults: readonly Detail[]): void {
  if (faults.length > 0) throw invalid(faults);
}

function sealed({ secrets }: Administration, password: string | null): string | null {
  return password === null ? null : secrets.seal(password, passwordPlace);
}

function shown(row: Row): Job {
  const { id, progcode, sender, recipients, subject, body, isenabled, nextexecutetime, executionstatus } = row;
  return {
    id,
    progcode,
    sender,
    recipients,
    subject,
    body,
    isenabled,
    nextexecutetime,
    executionstatus,
    cc: row.cc ?? null,
    bcc: row.bcc ?? null,
    smtphost: row.smtphost ?? null,
    smtpport: row.smtpport ?? null,
    smtpuser: row.smtpuser ?? null,
    smtpsecure: row.smtpsecure ?? null,
    cronexpr: row.cronexpr ?? null,
    timezone: row.timezone ?? null,
    lastexecutetime: row.lastexecutetime ?? null,
    lasterror: row.lasterror ?? null,
    mailid: row.mailid ?? null,
    createdat: row.createdat,
    updatedat: row.updatedat,
  };
}
