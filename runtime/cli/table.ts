/** Aligned columns for a terminal. */
import { styleText } from "node:util";

/** Rows under a heading line; columns as wide as their widest cell. Ends with a newline. */
export function table<Row extends object>(rows: readonly Row[], columns: readonly (keyof Row & string)[]): string {
  const cell = (row: Row, column: keyof Row & string) => String(row[column] ?? "");
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => cell(row, column).length)));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const heading = styleText("dim", line(columns.map((column) => column.toUpperCase())));
  return `${[heading, ...rows.map((row) => line(columns.map((column) => cell(row, column))))].join("\n")}\n`;
}
