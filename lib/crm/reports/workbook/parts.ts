/** The parts of a workbook that tie the others together (ECMA-376 part 1, §12; part 2 for the package). */
import { xml, xmlHead } from "./xml.ts";

const packaged = "http://schemas.openxmlformats.org/package/2006";
export const officeRelations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const types = "application/vnd.openxmlformats-officedocument";

/** Numbers from 1. */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

/** Relations `rId1`, `rId2`… of a part, each to one of the office's kinds. */
export function relations(targets: readonly { kind: string; target: string }[]): string {
  const all = targets.map(
    ({ kind, target }, at) => `<Relationship Id="rId${at + 1}" Type="${officeRelations}/${kind}" Target="${target}"/>`,
  );
  return `${xmlHead}<Relationships xmlns="${packaged}/relationships">${all.join("")}</Relationships>`;
}

export const rootRelations = relations([{ kind: "officeDocument", target: "xl/workbook.xml" }]);

export function workbookRelations(sheets: number): string {
  return relations([
    ...upTo(sheets).map((sheet) => ({ kind: "worksheet", target: `worksheets/sheet${sheet}.xml` })),
    { kind: "styles", target: "styles.xml" },
  ]);
}

export function workbookPart(names: readonly string[]): string {
  const sheets = names.map((name, at) => `<sheet name="${xml(name)}" sheetId="${at + 1}" r:id="rId${at + 1}"/>`);
  return `${xmlHead}<workbook xmlns="${main}" xmlns:r="${officeRelations}"><sheets>${sheets.join("")}</sheets></workbook>`;
}

export function contentTypes(sheets: number, charts: number): string {
  const part = (path: string, type: string) => `<Override PartName="/xl/${path}" ContentType="${types}.${type}+xml"/>`;
  return [
    `${xmlHead}<Types xmlns="${packaged}/content-types">`,
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>',
    '<Default Extension="xml" ContentType="application/xml"/>',
    part("workbook.xml", "spreadsheetml.sheet.main"),
    part("styles.xml", "spreadsheetml.styles"),
    ...upTo(sheets).map((sheet) => part(`worksheets/sheet${sheet}.xml`, "spreadsheetml.worksheet")),
    ...upTo(charts).map((chart) => part(`drawings/drawing${chart}.xml`, "drawing")),
    ...upTo(charts).map((chart) => part(`charts/chart${chart}.xml`, "drawingml.chart")),
    "</Types>",
  ].join("");
}
