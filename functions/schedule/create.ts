import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { createJob } from "#lib/schedule/jobs.ts";
import { bodyLimit, optionalSettings, requiredSettings, scheduleApi } from "./_api.ts";
import { jobInfo, JobInfo } from "./_job.ts";

export default scheduleApi
  .post("/api/schedule/mail", {
    summary: "Schedule a mail",
    description: "It is sent when it is due, within a minute; with `cronexpr`, again and again.",
    access: client("mail:send"),
    body: Type.Object({ ...requiredSettings, ...optionalSettings }),
    bodyLimit,
    returns: JobInfo,
    status: 201,
    problems: [problems.unavailable],
  })
  .handle(async ({ body }, ctx) => jobInfo(await createJob(ctx, body), ctx.config.scheduleTimezone));
