import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { updateJob } from "#lib/schedule/jobs.ts";
import { jobIsProcessing, jobNotFound } from "#lib/schedule/problems.ts";
import { bodyLimit, JobId, optionalSettings, requiredSettings, scheduleApi } from "./_api.ts";
import { jobInfo, JobInfo } from "./_job.ts";

export default scheduleApi
  .put("/api/schedule/mail/:id", {
    summary: "Change a job",
    description: "What is left out stays as it is. A job that is done and gets a new time begins anew.",
    access: client("mail:send"),
    params: JobId,
    body: Type.Partial(Type.Object({ ...requiredSettings, ...optionalSettings })),
    bodyLimit,
    returns: JobInfo,
    problems: [jobNotFound, jobIsProcessing, problems.unavailable],
  })
  .handle(async ({ params, body }, ctx) => {
    return jobInfo(await updateJob(ctx, params.id, body), ctx.config.scheduleTimezone);
  });
