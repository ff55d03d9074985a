import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { readJob } from "#lib/schedule/jobs.ts";
import { jobNotFound } from "#lib/schedule/problems.ts";
import { JobId, scheduleApi } from "./_api.ts";
import { jobInfo, JobInfo } from "./_job.ts";

export default scheduleApi
  .get("/api/schedule/mail/:id", {
    summary: "Show a job",
    access: client("mail:read"),
    params: JobId,
    returns: JobInfo,
    problems: [jobNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => jobInfo(await readJob(ctx, params.id), ctx.config.scheduleTimezone));
