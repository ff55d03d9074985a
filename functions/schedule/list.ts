import { Type } from "typebox";
import { problems, reply } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { listJobs } from "#lib/schedule/jobs.ts";
import { PlainText } from "#lib/plain-text.ts";
import { ExecutionStatus, scheduleApi } from "./_api.ts";
import { jobInfo, JobInfo } from "./_job.ts";

export default scheduleApi
  .get("/api/schedule/mail", {
    summary: "List jobs, in the order they were made",
    access: client("mail:read"),
    query: Type.Object({
      skip: Type.Integer({ minimum: 0, maximum: 1_000_000_000, default: 0, description: "Jobs to pass over" }),
      limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: "Most jobs in the reply" }),
      progcode: Type.Optional(PlainText({ maxLength: 100, description: "Of this program only" })),
      executionstatus: Type.Optional(ExecutionStatus),
      isenabled: Type.Optional(Type.Boolean()),
    }),
    returns: Type.Array(JobInfo),
    problems: [problems.unavailable],
    headers: { reply: { "X-Total-Count": "How many jobs there are like these, on all pages together" } },
  })
  .handle(async ({ query: { skip, limit, ...filter } }, ctx) => {
    const { total, jobs } = await listJobs(ctx, filter, { skip, limit });
    const shown = jobs.map((job) => jobInfo(job, ctx.config.scheduleTimezone));
    return reply(200, shown, { "x-total-count": String(total) });
  });
