/** What a chart shows: the first rows of its table. */
import { numberIn, type Chart, type ColumnKind, type Row, type Section } from "./report.ts";
import { pageText } from "./text-in.ts";

export interface ChartData {
  readonly kind: Chart["kind"];
  readonly title: string;
  readonly labels: readonly string[];
  /** A gap is null. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  /** What the values are. */
  readonly unit: ColumnKind;
}

/** More points than these are no longer read off a page: a year and a leap day for a line, ten names for bars. */
const mostPoints = { line: 366, bar: 10 } as const;

/** How many rows a section's chart needs, and one more to know whether there are others. */
export function chartRows({ chart }: Section): number {
  return chart ? mostPoints[chart.kind] + 1 : 0;
}

/** Undefined when there is nothing to draw. */
export function chartData({ chart, columns }: Section, first: readonly Row[]): ChartData | undefined {
  if (!chart) return undefined;
  const most = mostPoints[chart.kind];
  const rows = first.slice(0, most);
  const [unit] = chart.values.map((column) => columns[column]?.kind);
  const series = chart.values.map((column) => ({
    name: pageText(columns[column]?.title ?? "", 40),
    values: rows.map((row) => numberIn(row[column])),
  }));
  if (unit === undefined || series.every(({ values }) => values.every((value) => value === null))) return undefined;
  return {
    kind: chart.kind,
    title: pageText(first.length > most ? `${chart.title}（前 ${most} 筆）` : chart.title, 80),
    labels: rows.map((row) => pageText(String(row[chart.labels] ?? ""), 60)),
    series,
    unit,
  };
}
