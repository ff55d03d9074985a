/** How cells of a workbook look. */
import type { ColumnKind } from "../report.ts";
import { xmlHead } from "./xml.ts";

/** Places in the `cellXfs` below. */
export const style = { title: 1, header: 2, unknown: 3, figureHeader: 9 } as const;
export const kindStyle: Readonly<Record<ColumnKind, number>> = { text: 4, integer: 5, percent: 6, money: 7, date: 8 };

/** Formats of numbers: 3 is Excel's own, the others are written below. */
export const numberFormats: Readonly<Record<ColumnKind, { readonly id: number; readonly code: string }>> = {
  text: { id: 0, code: "General" },
  integer: { id: 3, code: "#,##0" },
  percent: { id: 164, code: "0.0%" },
  money: { id: 165, code: '"NT$"#,##0' },
  date: { id: 166, code: "yyyy-mm-dd" },
};

const font = (size: number, bold = "", color = "") =>
  `<font>${bold}<sz val="${size}"/>${color}<name val="Microsoft JhengHei"/><family val="2"/></font>`;
const fill = (inside: string) => `<fill><patternFill ${inside}</patternFill></fill>`;
const format = (id: number, fontId: number, fillId: number, alignment: string) =>
  `<xf numFmtId="${id}" fontId="${fontId}" fillId="${fillId}" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" applyAlignment="1"><alignment vertical="top" ${alignment}/></xf>`;
const { integer, percent, money, date } = numberFormats;
const written = [percent, money, date].map(
  ({ id, code }) => `<numFmt numFmtId="${id}" formatCode="${code.replaceAll('"', "&quot;")}"/>`,
);

export const styles = `${xmlHead}<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<numFmts count="${written.length}">${written.join("")}</numFmts>
<fonts count="4">${font(11)}${font(14, "<b/>")}${font(11, "<b/>")}${font(11, "", '<color rgb="FF808080"/>')}</fonts>
<fills count="3">${fill('patternType="none">')}${fill('patternType="gray125">')}${fill('patternType="solid"><fgColor rgb="FFE8EEF4"/><bgColor indexed="64"/>')}</fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="10"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
${format(0, 1, 0, 'horizontal="left"')}
${format(0, 2, 2, 'wrapText="1"')}
${format(0, 3, 0, 'horizontal="right"')}
${format(0, 0, 0, 'wrapText="1"')}
${format(integer.id, 0, 0, "")}
${format(percent.id, 0, 0, "")}
${format(money.id, 0, 0, "")}
${format(date.id, 0, 0, 'horizontal="left"')}
${format(0, 2, 2, 'horizontal="right" wrapText="1"')}
</cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>`;
