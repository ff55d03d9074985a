import { Type } from "typebox";
import { problems } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { reportNotFound } from "#lib/crm/analytics/exports/export.ts";
import { progressOf, readExport } from "#lib/crm/analytics/exports/exports.ts";
import { linkTo } from "#lib/crm/analytics/exports/link.ts";
import { crmApi, Day, OrNull, Time } from "../_api.ts";
import { ExportStatus, Format, ReportType } from "./_export.ts";

const Export = Type.Object({
  report_id: Type.String({ format: "uuid" }),
  report_type: ReportType,
  format: Format,
  start_date: Day,
  end_date: Day,
  status: ExportStatus,
  progress: Type.Integer({ minimum: 0, maximum: 100, description: "Percent of the rows that are written" }),
  download_url: OrNull(Type.String({ format: "uri" }), { description: "Holds until expires_at; null: not there" }),
  expires_at: OrNull(Time),
  error_message: OrNull(Type.String()),
  created_at: Time,
});

export default crmApi
  .get("/api/v1/analytics/exports/:id", {
    summary: "How far a report is, and a new link to it",
    description: "A report is kept for a day.",
    access: user(["marketing"]),
    params: Type.Object({ id: Type.String({ maxLength: 100 }) }),
    returns: Export,
    problems: [reportNotFound, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    const stored = await readExport(ctx, params.id);
    const { id, created_at, report_type, format, start_date, end_date, status, error_message } = stored;
    const asked = { report_type, format, start_date, end_date };
    const link = status === "completed" ? linkTo(ctx, stored) : undefined;
    return {
      report_id: id,
      ...asked,
      status,
      progress: progressOf(stored),
      download_url: link?.url ?? null,
      expires_at: link?.expiresAt.toISOString() ?? null,
      error_message,
      created_at: created_at.toISOString(),
    };
  });
