/** Writes a report as PDF: charts drawn as vectors above their tables, page by page as the rows come. */
import { chartData, chartRows } from "./chart-data.ts";
import { chartHeight, drawChart } from "./pdf/chart.ts";
import { Paper } from "./pdf/paper.ts";
import { Table } from "./pdf/table.ts";
import type { Report, Section, WriteOptions } from "./report.ts";
import { RowCount, Rows } from "./rows.ts";
import { pageText } from "./text-in.ts";
import { writeWhole } from "./whole-file.ts";

/** With more columns than these a page lies on its side. */
const uprightColumns = 8;

/**
 * A4, in Noto Sans TC, of which the file has only the characters that it needs. A table's texts are cut after four
 * lines. Resolves with the size in bytes once the file is on disk; when it throws, there is none.
 */
export function writePdf(report: Report, file: string, options: WriteOptions = {}): Promise<number> {
  return writeWhole(file, pdfBytes(report, options));
}

async function* pdfBytes(report: Report, options: WriteOptions): AsyncGenerator<Buffer> {
  const count = new RowCount(options);
  const isWide = report.sections.some(({ columns }) => columns.length > uprightColumns);
  const paper = await Paper.make({
    title: pageText(report.title, 100),
    period: pageText(report.period, 100),
    layout: isWide ? "landscape" : "portrait",
  });
  for (const section of report.sections) {
    const rows = new Rows(section, count);
    try {
      yield* sectionBytes(paper, section, rows);
    } finally {
      await rows.close();
    }
  }
  count.end();
  yield* paper.end();
}

const headingHeight = 26;

async function* sectionBytes(paper: Paper, section: Section, rows: Rows): AsyncGenerator<Buffer> {
  const data = chartData(section, await rows.peek(chartRows(section)));
  const height = data ? chartHeight(data) : 60;
  if (paper.room < headingHeight + height) paper.turn();
  paper.line(pageText(section.heading, 100), { y: paper.y + 4, size: 13, font: "bold" });
  paper.y += headingHeight;
  if (data) {
    drawChart(paper, data);
    paper.y += height;
  }
  const table = new Table(paper, section.columns);
  table.begin();
  for (let row; (row = await rows.take()) !== undefined;) if (table.add(row)) yield* paper.pieces();
  table.end();
  paper.y += 18;
}
