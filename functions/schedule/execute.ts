import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { jobCannotRun, jobIsProcessing, jobNotFound } from "#lib/schedule/problems.ts";
import { runNow } from "#lib/schedule/run.ts";
import { JobId, scheduleApi } from "./_api.ts";
import { RunInfo, runInfo } from "./_job.ts";

export default scheduleApi
  .post("/api/execute/mail/:id", {
    summary: "Send a job's mail now",
    description: "Whether it is due, enabled or done before. The plan of a job that repeats stays as it is.",
    access: client("mail:send"),
    params: JobId,
    returns: RunInfo,
    problems: [jobNotFound, jobIsProcessing, jobCannotRun, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => runInfo(await runNow(ctx, params.id), ctx.config.scheduleTimezone));
