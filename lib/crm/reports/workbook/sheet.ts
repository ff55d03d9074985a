/** One sheet of a workbook: a title, the columns' titles, the rows. */
import { numberIn, unknownFigure, type Cell, type Column, type ColumnKind, type Section } from "../report.ts";
import type { Rows } from "../rows.ts";
import { cellText } from "../text-in.ts";
import { kindStyle, style } from "./styles.ts";
import { columnName, xmlHead, xmlString } from "./xml.ts";

export interface SheetParts {
  readonly section: Section;
  readonly title: string;
  readonly rows: Rows;
  /** Rows of the sheet, the titles' included. */
  readonly mostRows: number;
  readonly hasChart: boolean;
}

/** The rows above the first of the table. */
export const titleRows = 2;

/** So much is written at a time, in UTF-16 units. */
const pieceLength = 64 * 1024;

/** Takes rows until the sheet is full, and leaves the others. */
export async function* sheetXml({ section, title, rows, mostRows, hasChart }: SheetParts): AsyncGenerator<string> {
  const { columns, chart } = section;
  const kinds = columns.map((column, at) => ({
    ...column,
    letters: columnName(at),
    width: columnWidth(column),
    isDrawn: chart?.values.includes(at) ?? false,
  }));
  let piece = `${opening(columns)}<row r="1" ht="22" customHeight="1">${textCell("A1", title, style.title)}</row>`;
  const titles = kinds.map(({ kind, title: text, letters }) =>
    textCell(`${letters}2`, text, kind === "text" || kind === "date" ? style.header : style.figureHeader),
  );
  piece += `<row r="2">${titles.join("")}</row>`;
  let number = titleRows;
  for (let row; number < mostRows && (row = await rows.take()) !== undefined;) {
    number++;
    let lines = 1;
    let cells = "";
    for (const [at, { kind, letters, width, isDrawn }] of kinds.entries()) {
      const cell = row[at] ?? null;
      cells += cellXml(`${letters}${number}`, cell, kind, isDrawn);
      if (typeof cell === "string") lines = Math.max(lines, linesOf(cell, width));
    }
    piece += `<row r="${number}"${lines > 1 ? ` ht="${lines * rowHeight}" customHeight="1"` : ""}>${cells}</row>`;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = "";
  }
  yield piece + closing(`A${titleRows}:${columnName(Math.max(columns.length - 1, 0))}${number}`, hasChart);
}

const widths: Readonly<Record<ColumnKind, number>> = { text: 32, integer: 14, percent: 12, money: 16, date: 13 };

/** In digits of the default font, as Excel counts. */
function columnWidth({ kind, title }: Column): number {
  return Math.max(widths[kind], Math.min(title.length * 2 + 4, 40));
}

/** Programs do not all find by themselves how high a row of wrapped text is; in points, and no more than ten lines. */
const [rowHeight, mostLines] = [16, 10];

function linesOf(text: string, width: number): number {
  if (text.length * 2 < width && !text.includes("\n")) return 1;
  let lines = 0;
  for (const paragraph of text.slice(0, width * mostLines).split("\n")) {
    const wide = paragraph.match(/[\u1100-\u11ff\u2e80-\uffef]/g)?.length ?? 0;
    lines += Math.max(1, Math.ceil((paragraph.length + wide) / (width - 2)));
  }
  return Math.min(lines, mostLines);
}

function opening(columns: Section["columns"]): string {
  const cols = columns.map(
    (column, at) => `<col min="${at + 1}" max="${at + 1}" width="${columnWidth(column)}" customWidth="1"/>`,
  );
  return `${xmlHead}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView workbookViewId="0"><pane ySplit="${titleRows}" topLeftCell="A${titleRows + 1}" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="${rowHeight}"/>${cols.length > 0 ? `<cols>${cols.join("")}</cols>` : ""}<sheetData>`;
}

function closing(table: string, hasChart: boolean): string {
  const page = '<pageMargins left="0.5" right="0.5" top="0.5" bottom="0.5" header="0.3" footer="0.3"/>';
  const setup = '<pageSetup paperSize="9" fitToHeight="0" orientation="landscape"/>';
  return `</sheetData><autoFilter ref="${table}"/>${page}${setup}${hasChart ? '<drawing r:id="rId1"/>' : ""}</worksheet>`;
}

/** A figure that is not known is a dash; but empty where a chart draws it, for Excel draws a text as zero. */
function cellXml(at: string, cell: Cell, kind: ColumnKind, isDrawn: boolean): string {
  if (cell === null || (typeof cell === "number" && numberIn(cell) === null))
    return isDrawn ? "" : textCell(at, unknownFigure, style.unknown);
  if (typeof cell === "number") return numberCell(at, kind === "percent" ? hundredth(cell) : cell, kind);
  const day = kind === "date" ? dayNumber(cell) : undefined;
  return day === undefined ? textCell(at, cell, kindStyle.text) : numberCell(at, day, kind);
}

function numberCell(at: string, value: number, kind: ColumnKind): string {
  return `<c r="${at}" s="${kindStyle[kind]}"><v>${value}</v></c>`;
}

function textCell(at: string, text: string, styleId: number): string {
  return `<c r="${at}" s="${styleId}" t="inlineStr"><is><t xml:space="preserve">${xmlString(cellText(text))}</t></is></c>`;
}

/** A percentage as Excel has it, without the dust that a division leaves. */
export function hundredth(percent: number): number {
  return Number((percent / 100).toPrecision(15));
}

/** Days since 30 December 1899, as Excel counts them; undefined for what is no day of its calendar. */
export function dayNumber(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined;
  const day = Date.parse(`${text}T00:00:00Z`) / 86_400_000 + 25_569;
  return day > 60 ? day : undefined; // Before March 1900 Excel counts a leap day that never was; NaN too.
}
