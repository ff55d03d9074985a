/** The way of an export: stored, claimed, renewed, ended. Fenced by the turn: whoever holds an older one changes nothing. */
import {
  keptHours,
  leaseSeconds,
  publishGraceSeconds,
  type ExportStatus,
  type Format,
  type ReportType,
} from "./export.ts";

export interface Asked {
  report_type: ReportType;
  format: Format;
  start_date: string;
  end_date: string;
}

export const insertExport = `
  INSERT INTO report_exports (id, report_type, format, start_date, end_date, created_by, traceparent, due_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, now() + interval '${publishGraceSeconds} seconds')`;

export interface StoredExport extends Asked {
  id: string;
  status: ExportStatus;
  turn: number;
  rows_done: number;
  rows_all: number | null;
  error_message: string | null;
  created_at: Date;
  ended_at: Date | null;
  /** When its file goes. */
  kept_until: Date | null;
}

const asked = `report_type, format, to_char(start_date, 'YYYY-MM-DD') AS start_date, to_char(end_date, 'YYYY-MM-DD') AS end_date`;

export const selectExport = `
  SELECT id, ${asked}, status, turn, rows_done::float8 AS rows_done, rows_all::float8 AS rows_all, error_message, created_at,
    ended_at, kept_until
  FROM report_exports WHERE id = $1`;

export const selectStatus = "SELECT status FROM report_exports WHERE id = $1";

export interface Turn extends Asked {
  id: string;
  turn: number;
}

/** Takes the lease of $1. No row: another one writes it, or it has ended. */
export const beginTurn = `
  UPDATE report_exports SET status = 'running', turn = turn + 1, lease_until = now() + interval '${leaseSeconds} seconds',
    due_at = now(), rows_done = 0, rows_all = NULL
  WHERE id = $1 AND status IN ('pending', 'running') AND (lease_until IS NULL OR lease_until < now())
  RETURNING id, turn, ${asked}`;

/** Renews the lease, and tells of $3 rows of $4. No row: it was lost. */
export const renewTurn = `
  UPDATE report_exports SET lease_until = now() + interval '${leaseSeconds} seconds', rows_done = $3, rows_all = $4
  WHERE id = $1 AND turn = $2 AND status = 'running'
  RETURNING id`;

/** The report is there: $3 bytes, $4 rows. No row: the lease was lost, and the file is nobody's. */
export const completeTurn = `
  UPDATE report_exports SET status = 'completed', size_bytes = $3, rows_done = $4, rows_all = $4, lease_until = NULL,
    error_message = NULL, ended_at = now(), kept_until = now() + interval '${keptHours} hours'
  WHERE id = $1 AND turn = $2 AND status = 'running'
  RETURNING id`;

/** The turn has come to nothing: another one begins in $3 seconds, or, with null, none. */
export const giveUpTurn = `
  UPDATE report_exports SET
    status = CASE WHEN $3::int IS NULL THEN 'failed' ELSE 'pending' END, lease_until = NULL,
    due_at = now() + make_interval(secs => coalesce($3::int, 0)), error_message = $4,
    ended_at = CASE WHEN $3::int IS NULL THEN now() END
  WHERE id = $1 AND turn = $2 AND status = 'running'`;

export interface DueExport {
  id: string;
  traceparent: string | null;
}

/**
 * Takes up to $1 reports whose message did not reach the broker, whose next turn is due, or whose worker has ended, and
 * puts off their next coming by, by as long as they have waited already, up to a quarter of an hour.
 */
export const takeDue = `
  WITH due AS (
    SELECT id FROM report_exports
    WHERE status IN ('pending', 'running') AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
  )
  UPDATE report_exports SET due_at = now() + least(
    greatest(interval '${publishGraceSeconds} seconds', now() - created_at), interval '15 minutes')
  FROM due WHERE report_exports.id = due.id
  RETURNING report_exports.id, traceparent`;

/** The message of $1 did not reach the broker: the sweep's to publish, as soon as it can. */
export const markStranded = "UPDATE report_exports SET due_at = now() WHERE id = $1 AND status = 'pending'";

/** Forgets up to $1 reports whose file goes, or that have failed. */
export const removeEnded = `
  DELETE FROM report_exports WHERE id IN (
    SELECT id FROM report_exports WHERE status IN ('completed', 'failed') AND ended_at < now() - interval '${keptHours} hours'
    ORDER BY ended_at LIMIT $1)`;
