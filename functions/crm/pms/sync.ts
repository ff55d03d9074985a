import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { pmsNotConfigured, syncIsRunning } from "#lib/crm/pms/problems.ts";
import { startSync, syncTypes } from "#lib/crm/pms/tasks.ts";
import { saying } from "../_api.ts";

export default saying("Sync task created")
  .post("/api/v1/pms/sync", {
    summary: "Synchronise with the PMS now",
    description: "Runs in the background, one at a time. What has changed is taken over, or with `force` everything.",
    access: user(),
    body: Type.Object({
      sync_type: Type.Union(syncTypes.map((type) => Type.Literal(type))),
      force: Type.Optional(Type.Boolean({ default: false })),
    }),
    returns: Type.Object({ task_id: Type.String(), status: Type.Literal("pending") }),
    problems: [syncIsRunning, pmsNotConfigured, problems.unavailable],
  })
  .handle(async ({ body, caller }, ctx) => {
    const asked = { type: body.sync_type, force: body.force ?? false, userId: caller.userId };
    return { task_id: await startSync(ctx, asked), status: "pending" };
  });
