/** Writes a report as an Excel workbook (ECMA-376), row by row: its memory does not grow with the rows. */
import { PassThrough, Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";
import { chartData, chartRows } from "./chart-data.ts";
import type { Report, Section, WriteOptions } from "./report.ts";
import { RowCount, Rows } from "./rows.ts";
import { writeWhole } from "./whole-file.ts";
import { chartPart, drawingPart, drawingRelations, sheetRelations } from "./workbook/chart.ts";
import { contentTypes, rootRelations, workbookPart, workbookRelations } from "./workbook/parts.ts";
import { SheetNames } from "./workbook/sheet-names.ts";
import { sheetXml } from "./workbook/sheet.ts";
import { styles } from "./workbook/styles.ts";

export interface WorkbookOptions extends WriteOptions {
  /** Rows of a sheet, its two of titles included; by default all that Excel takes. */
  readonly sheetRows?: number;
}

/** Excel's "specifications and limits": rows of a worksheet. */
const mostSheetRows = 1_048_576;

/**
 * Each section gets a sheet, or several when it has more rows than one can hold, and a chart that Excel draws from its
 * cells. Resolves with the size in bytes once the file is on disk; when it throws, there is none.
 */
export function writeWorkbook(report: Report, file: string, options: WorkbookOptions = {}): Promise<number> {
  return writeWhole(file, workbookBytes(report, options));
}

async function* workbookBytes(report: Report, options: WorkbookOptions): AsyncGenerator<Buffer> {
  const workbook = new Workbook(report, options);
  const output = workbook.zip.outputStream.pipe(new PassThrough());
  const writing = workbook.write().catch((error: unknown) => {
    output.destroy(error instanceof Error ? error : new Error("A workbook could not be written", { cause: error }));
  });
  try {
    yield* output;
  } finally {
    workbook.stop();
    await writing;
  }
}

class Workbook {
  readonly zip = new ZipFile();
  readonly #report: Report;
  readonly #options: WorkbookOptions;
  readonly #names = new SheetNames();
  readonly #sheets: string[] = [];
  #charts = 0;
  #part: Readable | undefined;
  #isStopped = false;

  constructor(report: Report, options: WorkbookOptions) {
    this.#report = report;
    this.#options = options;
  }

  async write(): Promise<void> {
    const count = new RowCount(this.#options);
    for (const section of this.#report.sections) {
      const rows = new Rows(section, count);
      try {
        await this.#section(section, rows);
      } finally {
        await rows.close();
      }
    }
    this.#add("xl/styles.xml", styles);
    this.#add("xl/workbook.xml", workbookPart(this.#sheets));
    this.#add("xl/_rels/workbook.xml.rels", workbookRelations(this.#sheets.length));
    this.#add("_rels/.rels", rootRelations);
    this.#add("[Content_Types].xml", contentTypes(this.#sheets.length, this.#charts));
    count.end();
    this.zip.end();
  }

  /** Ends what is being written: nobody reads it any more. */
  stop(): void {
    this.#isStopped = true;
    this.#part?.destroy();
  }

  async #section(section: Section, rows: Rows): Promise<void> {
    const data = chartData(section, await rows.peek(chartRows(section)));
    const mostRows = this.#options.sheetRows ?? mostSheetRows;
    for (let isFirst = true; isFirst || (await rows.peek(1)).length > 0; isFirst = false) {
      const name = this.#names.next(section.heading);
      const sheet = this.#sheets.push(name);
      const chart = isFirst && section.chart ? data : undefined;
      const title = `${this.#report.title}　${this.#report.period}`;
      const xml = sheetXml({ section, title, rows, mostRows, hasChart: chart !== undefined });
      await this.#stream(`xl/worksheets/sheet${sheet}.xml`, xml);
      if (!chart || !section.chart) continue;
      const number = ++this.#charts;
      this.#add(`xl/worksheets/_rels/sheet${sheet}.xml.rels`, sheetRelations(number));
      this.#add(`xl/drawings/drawing${number}.xml`, drawingPart(section.columns.length, chart));
      this.#add(`xl/drawings/_rels/drawing${number}.xml.rels`, drawingRelations(number));
      this.#add(`xl/charts/chart${number}.xml`, chartPart(name, section.chart, chart));
    }
  }

  #add(path: string, xml: string): void {
    this.zip.addBuffer(Buffer.from(xml), path);
  }

  async #stream(path: string, xml: AsyncGenerator<string>): Promise<void> {
    if (this.#isStopped) throw new Error("A workbook that nobody reads any more is not written");
    this.#part = Readable.from(xml, { objectMode: false });
    this.zip.addReadStream(this.#part, path, { compressionLevel: 4 });
    await finished(this.#part);
  }
}
