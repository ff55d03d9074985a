import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { updateJob } from "#lib/schedule/jobs.ts";
import { jobNotFound } from "#lib/schedule/problems.ts";
import { JobId, scheduleApi } from "./_api.ts";
import { jobInfo, JobInfo } from "./_job.ts";

export default scheduleApi
  .patch("/api/schedule/mail/:id/status", {
    summary: "Enable or disable a job",
    description: "A job that is enabled after its time runs once, whatever it has missed.",
    access: client("mail:send"),
    params: JobId,
    body: Type.Object({ isenabled: Type.Boolean() }),
    returns: JobInfo,
    problems: [jobNotFound, problems.unavailable],
  })
  .handle(async ({ params, body: { isenabled } }, ctx) => {
    return jobInfo(await updateJob(ctx, params.id, { isenabled }), ctx.config.scheduleTimezone);
  });
