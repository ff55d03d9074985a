import { Type } from "typebox";
import { queue } from "#runtime";
import { runSync } from "#lib/crm/pms/run.ts";
import { syncQueue } from "#lib/crm/pms/tasks.ts";

export default queue(syncQueue.name, {
  summary: "Take over what the PMS has",
  message: Type.Object({ task_id: Type.String({ format: "uuid" }) }),
  concurrency: 1,
  // A turn gives way after a minute; its last page may take some time more.
  timeLimitMs: 120_000,
}).handle(async ({ message }, ctx) => runSync(ctx, message.task_id));
