/** The table that a person reads. */
import type { Row } from "./measure.ts";

const columns = ["measurement", "ours", "peers", "ceiling", "ratio", "target"] as const;

export function table(rows: readonly Row[]): string {
  const heading = Object.fromEntries(columns.map((column) => [column, column])) as unknown as Row;
  const widths = columns.map((column) => Math.max(...[heading, ...rows].map((row) => row[column].length)));
  return [heading, ...rows]
    .map((row) =>
      columns
        .map((column, index) => row[column].padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
