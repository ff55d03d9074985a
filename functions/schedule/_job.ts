/** How a job of scheduled mail is shown. */
import { Type, type Static, type TSchema } from "typebox";
import type { Job } from "#lib/schedule/job.ts";
import type { Run } from "#lib/schedule/make-mail.ts";
import { showTime } from "#lib/schedule/plan.ts";
import { ExecutionStatus } from "./_api.ts";

const Time = Type.String({ format: "date-time" });
const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** How a run shows in the reply: all of a job but its body. */
export const RunInfo = Type.Object({
  id: Type.Integer(),
  progcode: Type.String(),
  sender: Type.String(),
  recipients: Type.String(),
  subject: Type.String(),
  executionstatus: ExecutionStatus,
  nextexecutetime: Time,
  lastexecutetime: OrNull(Time),
  lasterror: OrNull(Type.String()),
  mailid: OrNull(Type.String()),
});

export const JobInfo = Type.Object({
  ...RunInfo.properties,
  cc: OrNull(Type.String()),
  bcc: OrNull(Type.String()),
  body: Type.String(),
  isenabled: Type.Boolean(),
  smtphost: OrNull(Type.String()),
  smtpport: OrNull(Type.Integer()),
  smtpuser: OrNull(Type.String()),
  smtpsecure: OrNull(Type.String()),
  cronexpr: OrNull(Type.String()),
  timezone: OrNull(Type.String()),
  createdat: Time,
  updatedat: Time,
});

/** `zone` is the time zone that times are shown in. */
export function runInfo(run: Run, zone: string): Static<typeof RunInfo> {
  return {
    ...run,
    nextexecutetime: showTime(run.nextexecutetime, zone),
    lastexecutetime: showTime(run.lastexecutetime, zone),
  };
}

export function jobInfo(job: Job, zone: string): Static<typeof JobInfo> {
  return {
    ...job,
    nextexecutetime: showTime(job.nextexecutetime, zone),
    lastexecutetime: job.lastexecutetime && showTime(job.lastexecutetime, zone),
    createdat: showTime(job.createdat, zone),
    updatedat: showTime(job.updatedat, zone),
  };
}
