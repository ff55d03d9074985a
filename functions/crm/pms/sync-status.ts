import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { syncTaskNotFound } from "#lib/crm/pms/problems.ts";
import { readSync } from "#lib/crm/pms/tasks.ts";
import { crmApi, OrNull, Time } from "../_api.ts";

const Status = Type.Object({
  task_id: Type.String(),
  sync_type: Type.String(),
  status: Type.String({ description: "pending, running, completed, failed" }),
  synced_count: Type.Integer(),
  failed_count: Type.Integer(),
  waiting_count: Type.Integer({
    description: "Guests who could be more than one member, and stays of whom that is not decided",
  }),
  failures: Type.Array(
    Type.Object({ record: OrNull(Type.String({ description: "The PMS's id of it" })), reason: Type.String() }),
    { description: "The first 20" },
  ),
  error_message: OrNull(Type.String()),
  started_at: OrNull(Time),
  completed_at: OrNull(Time),
});

export default crmApi
  .get("/api/v1/pms/sync-status/:task_id", {
    summary: "How far a synchronisation is",
    access: user(["marketing"]),
    params: Type.Object({ task_id: Type.String({ maxLength: 100 }) }),
    returns: Status,
    problems: [syncTaskNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    const { id, started_at, completed_at, ...rest } = await readSync(ctx, params.task_id);
    return {
      task_id: id,
      ...rest,
      started_at: started_at?.toISOString() ?? null,
      completed_at: completed_at?.toISOString() ?? null,
    };
  });
