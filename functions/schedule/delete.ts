import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { deleteJob } from "#lib/schedule/jobs.ts";
import { jobNotFound } from "#lib/schedule/problems.ts";
import { JobId, scheduleApi } from "./_api.ts";

export default scheduleApi
  .delete("/api/schedule/mail/:id", {
    summary: "Delete a job",
    description: "A mail of it that is in the queue already is sent all the same.",
    access: client("mail:send"),
    params: JobId,
    returns: Type.Null(),
    status: 204,
    problems: [jobNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    await deleteJob(ctx, params.id);
    return null;
  });
