/** Exports: asked for, told of, and brought to the queue. */
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "../../../../runtime/context.ts";
import { isUnavailable } from "../../../resources/database.ts";
import {
  exportQueue,
  fileName,
  linkHasEnded,
  reportFailed,
  reportNotFound,
  reportNotReady,
  type ExportStatus,
} from "./export.ts";
import * as sql from "./exports.sql.ts";
import type { Asked, DueExport, StoredExport } from "./exports.sql.ts";
import { openLink } from "./link.ts";

export type { Asked, StoredExport } from "./exports.sql.ts";

/** Stores what is asked for and brings it to the queue. Returns its id once it is committed: then the report will be made. */
export async function startExport(ctx: Context, asked: Asked, userId: number): Promise<string> {
  const id = ctx.clock.uuid();
  const { report_type, format, start_date, end_date } = asked;
  const { traceparent } = ctx.trace;
  await ctx.db.query(sql.insertExport, [id, report_type, format, start_date, end_date, userId, traceparent ?? null]);
  await publish(ctx, { id, traceparent: traceparent ?? null });
  return id;
}

/** Brings to the queue what is due and on nobody's. */
export async function sweepExports(ctx: Context): Promise<void> {
  if (!ctx.broker.isConnected()) return;
  const { rows } = await ctx.db.query<DueExport>(sql.takeDue, [100]);
  for (const due of rows) await publish(ctx, due);
}

/** Never fails: what the broker does not take is left to the sweep. */
async function publish(ctx: Context, { id, traceparent }: DueExport): Promise<void> {
  try {
    await ctx.broker.publish(exportQueue.name, { id }, traceparent === null ? {} : { traceparent });
  } catch (error) {
    ctx.log.warn({ err: error, report: id }, "the broker did not take a report: it waits for the sweep");
    await ctx.db.query(sql.markStranded, [id]).catch((err: unknown) => {
      ctx.log.debug({ err, report: id }, "it waits a little longer");
    });
  }
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Throws `report_not_found`. */
export async function readExport({ db }: Pick<Context, "db">, id: string): Promise<StoredExport> {
  const { rows } = uuid.test(id) ? await db.query<StoredExport>(sql.selectExport, [id]) : { rows: [] };
  if (!rows[0]) throw reportNotFound();
  return rows[0];
}

/** How much of it is written, of a hundred. The number of rows is not exact before the end. */
export function progressOf({ status, rows_done, rows_all }: StoredExport): number {
  if (status === "completed") return 100;
  return rows_all ? Math.min(99, Math.floor((100 * rows_done) / rows_all)) : 0;
}

/** The report that a link is for, and the name of its file. Throws while there is none, and when there is none any more. */
export async function openReport(ctx: Context, signed: string): Promise<StoredExport & { file: string }> {
  const id = openLink(ctx, signed);
  const { rows } = await ctx.db.query<StoredExport>(sql.selectExport, [id]);
  const [report] = rows;
  if (!report) throw linkHasEnded();
  if (report.status === "failed") throw reportFailed();
  if (report.status !== "completed") throw reportNotReady({ headers: { "retry-after": "2" } });
  return { ...report, file: fileName(report) };
}

const pauseMs = 100;

/**
 * The status of a report once it has ended; or what it is when `seconds` have passed, the client has gone, or the process
 * stops. Never throws: the report will be made, and with PostgreSQL away it is `pending` as far as is known.
 */
export async function waitForReport(ctx: Context, id: string, seconds: number): Promise<ExportStatus> {
  const until = performance.now() + seconds * 1000;
  let status: ExportStatus = "pending";
  for (;;) {
    status = (await look(ctx, id)) ?? status;
    const left = until - performance.now();
    if (status === "completed" || status === "failed" || left <= 0) return status;
    await pause(Math.min(pauseMs, left), undefined, { signal: ctx.signal }).catch(() => {});
    if (ctx.signal.aborted || ctx.isStopping) return status;
  }
}

async function look(ctx: Context, id: string): Promise<ExportStatus | undefined> {
  try {
    return (await ctx.db.query<{ status: ExportStatus }>(sql.selectStatus, [id])).rows[0]?.status;
  } catch (error) {
    if (!isUnavailable(error)) ctx.log.error({ err: error, report: id }, "the report's status could not be read");
    return undefined;
  }
}
