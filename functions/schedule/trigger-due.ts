import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { runAllDue, runDue } from "#lib/schedule/run.ts";
import { scheduleApi } from "./_api.ts";
import { RunInfo, runInfo } from "./_job.ts";

export default scheduleApi
  .post("/api/execute/mail/trigger-due", {
    summary: "Send the mail of all jobs that are due",
    description: `Returns the jobs that this call has claimed, at most \`limit\`, once their mail is in the queue; the rest is
claimed in the background. What becomes of them shows in \`GET /api/schedule/mail?executionstatus=Processing\`. Any number of
callers may do this at once: each job runs once.`,
    access: client("mail:send"),
    query: Type.Object({
      limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000, description: "Most jobs in the reply" }),
    }),
    returns: Type.Array(RunInfo),
    problems: [problems.unavailable],
  })
  .handle(async ({ query }, ctx) => {
    const { runs, more } = await runDue(ctx, query.limit);
    if (more) ctx.defer(runAllDue(ctx));
    return runs.map((run) => runInfo(run, ctx.config.scheduleTimezone));
  });
