import { Type } from "typebox";
import { queue } from "#runtime";
import { exportQueue } from "#lib/crm/analytics/exports/export.ts";
import { runExport } from "#lib/crm/analytics/exports/run.ts";

export default queue(exportQueue.name, {
  summary: "Write a report that was asked for",
  message: Type.Object({ id: Type.String({ format: "uuid" }) }),
  concurrency: 1,
  // A year of everything takes seconds, on a busy machine a minute.
  timeLimitMs: 600_000,
}).handle(async ({ message }, ctx) => runExport(ctx, message.id));
