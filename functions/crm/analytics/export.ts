import { Type } from "typebox";
import { problems, reply } from "#runtime";
import { user } from "#lib/crm/access.ts";
import { startExport, waitForReport } from "#lib/crm/analytics/exports/exports.ts";
import { linkTo } from "#lib/crm/analytics/exports/link.ts";
import { periodOf } from "#lib/crm/analytics/period.ts";
import { longestWait, preferredWait } from "#lib/mail/wait.ts";
import { crmApi, Time } from "../_api.ts";
import { Days } from "./_analytics.ts";
import { ExportStatus, Format, ReportType } from "./_export.ts";

export default crmApi
  .post("/api/v1/analytics/export", {
    summary: "Ask for a report as a workbook or as PDF",
    description: `Answers once it is stored: the report is then written in the background, whatever happens. Until it is there
\`download_url\` answers 404; it needs no token and holds until \`expires_at\`. With \`Prefer: wait=10\` it is answered once the
report is there, or after 10 seconds. \`tag_distribution\` is of the triggers within the period.`,
    access: user(["marketing"]),
    body: Type.Object({ report_type: ReportType, format: Format, ...Days }),
    // Waiting comes on top of what storing may take.
    timeLimitMs: (30 + longestWait) * 1000,
    returns: Type.Object({
      report_id: Type.String({ format: "uuid" }),
      status: ExportStatus,
      download_url: Type.String({ format: "uri" }),
      expires_at: Time,
    }),
    headers: {
      request: {
        Prefer: `wait=N: answer once the report is there, at the latest after N seconds (${longestWait} at most)`,
      },
      reply: { "Preference-Applied": "wait=N: it was waited for the report, up to N seconds" },
    },
    problems: [problems.unavailable],
  })
  .handle(async (request, ctx) => {
    const { body, caller } = request;
    const { start, end } = periodOf(ctx, body, "body");
    const { report_type, format } = body;
    const id = await startExport(ctx, { report_type, format, start_date: start, end_date: end }, caller.userId);
    const wait = preferredWait(request.header("prefer"));
    const status = wait === undefined ? "pending" : await waitForReport(ctx, id, wait);
    const link = linkTo(ctx, { id, format });
    return reply(
      200,
      { report_id: id, status, download_url: link.url, expires_at: link.expiresAt.toISOString() },
      wait === undefined ? {} : { "preference-applied": `wait=${wait}` },
    );
  });
