/** What a report is, whatever file it becomes: titled tables, some with a chart of their first rows. */

/** `percent` is 0–100 and shown with one decimal; `money` is in New Taiwan dollars; `date` is `YYYY-MM-DD`. */
export type ColumnKind = "text" | "integer" | "percent" | "money" | "date";

/** Null is a figure that nobody knows: shown as “—”. */
export type Cell = string | number | null;

/** One cell for each column, in their order. */
export type Row = readonly Cell[];

export interface Column {
  readonly title: string;
  readonly kind: ColumnKind;
}

/** Draws some columns against one that names the points; columns are counted from 0. */
export interface Chart {
  readonly kind: "line" | "bar";
  readonly title: string;
  readonly labels: number;
  /** Columns of numbers, all of one kind. */
  readonly values: readonly number[];
}

export interface Section {
  readonly heading: string;
  readonly columns: readonly Column[];
  /** Read once, from beginning to end; closed early when the writer stops. */
  readonly rows: Iterable<Row> | AsyncIterable<Row>;
  readonly chart?: Chart;
}

export interface Report {
  readonly title: string;
  /** The days that it covers, as its reader sees them. */
  readonly period: string;
  readonly sections: readonly Section[];
}

export interface WriteOptions {
  /** Ends the writing between two rows; rows that wait for a database must have it too. */
  readonly signal?: AbortSignal;
  /** Hears how many rows have been taken, every 1,000 and at the end. */
  readonly progress?: (rows: number) => void;
}

/** What stands where a figure is not known. */
export const unknownFigure = "—";

/** The number in a cell, or null when it has none that can be written. */
export function numberIn(cell: Cell | undefined): number | null {
  return typeof cell === "number" && Number.isFinite(cell) ? cell : null;
}
