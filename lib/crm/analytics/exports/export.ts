/** The words that exports share. */
import { join } from "node:path";
import type { QueueDeclaration } from "../../../../runtime/broker.ts";
import type { Context } from "../../../../runtime/context.ts";
import { Problem } from "../../../../runtime/problem.ts";

export type ReportType = "campaign_performance" | "overview" | "tag_distribution" | "trends";
export type Format = "excel" | "pdf";

export type ExportStatus = "pending" | "running" | "completed" | "failed";

/** What a file of each format is called, and what it is. */
export const files = {
  excel: { ending: "xlsx", type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
  pdf: { ending: "pdf", type: "application/pdf" },
} as const satisfies Record<Format, { ending: string; type: string }>;

/** Turns are made again by the sweep, whose times are the database's: the queue itself retries nothing. */
export const exportQueue: QueueDeclaration = { name: "crm-exports", retryDelaysMs: [] };

/** How long a link holds, and a report is kept. */
export const linkSeconds = 60 * 60;
export const keptHours = 24;

/** How long a worker has a report before others may take it; whoever writes it renews that. */
export const leaseSeconds = 30;
/** After this long a report is published again, in case its message never reached the broker. */
export const publishGraceSeconds = 30;

export const reportNotFound = Problem.kind(404, "report_not_found", "No report has this id, or it was removed");
export const notALink = Problem.kind(404, "report_not_found", "This link is not one of ours, or is not whole");
export const reportNotReady = Problem.kind(404, "report_not_ready", "The report is not ready yet; try again shortly");
export const reportFailed = Problem.kind(410, "report_failed", "The report could not be made; ask for it again");
export const linkHasEnded = Problem.kind(410, "link_has_ended", "This link has ended; ask for the report again");

export function reportFolder({ config }: Pick<Context, "config">): string {
  return join(config.uploads.folder, "exports", "reports");
}

/** Each turn writes a file of its own: one that was given up while it was still at work spoils no other's. */
export function fileName({ id, turn, format }: { id: string; turn: number; format: Format }): string {
  return `${id}.${turn}.${files[format].ending}`;
}
