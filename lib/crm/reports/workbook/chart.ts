/** A chart that Excel draws from the cells beside it (DrawingML, ECMA-376 part 1, §21.2). */
import type { ChartData } from "../chart-data.ts";
import { seriesColors } from "../colors.ts";
import type { Chart, ColumnKind } from "../report.ts";
import { officeRelations, relations } from "./parts.ts";
import { dayNumber, hundredth, titleRows } from "./sheet.ts";
import { numberFormats } from "./styles.ts";
import { columnName, xml, xmlHead } from "./xml.ts";

const drawing = "http://schemas.openxmlformats.org/drawingml/2006";

export function sheetRelations(chart: number): string {
  return relations([{ kind: "drawing", target: `../drawings/drawing${chart}.xml` }]);
}

export function drawingRelations(chart: number): string {
  return relations([{ kind: "chart", target: `../charts/chart${chart}.xml` }]);
}

/** Where the chart lies: to the right of the table, as high as its bars need. */
export function drawingPart(columns: number, { kind, labels, series }: ChartData): string {
  const rows = kind === "line" ? 20 : Math.max(12, Math.ceil(labels.length * (series.length * 0.7 + 0.8)) + 6);
  const corner = (column: number, row: number) =>
    `<xdr:col>${column}</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>${row}</xdr:row><xdr:rowOff>0</xdr:rowOff>`;
  const frame = `<xdr:graphicFrame macro=""><xdr:nvGraphicFramePr><xdr:cNvPr id="2" name="Chart 1"/><xdr:cNvGraphicFramePr/></xdr:nvGraphicFramePr><xdr:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></xdr:xfrm><a:graphic><a:graphicData uri="${drawing}/chart"><c:chart xmlns:c="${drawing}/chart" r:id="rId1"/></a:graphicData></a:graphic></xdr:graphicFrame>`;
  return `${xmlHead}<xdr:wsDr xmlns:xdr="${drawing}/spreadsheetDrawing" xmlns:a="${drawing}/main" xmlns:r="${officeRelations}"><xdr:twoCellAnchor><xdr:from>${corner(columns + 1, titleRows)}</xdr:from><xdr:to>${corner(columns + 11, titleRows + rows)}</xdr:to>${frame}<xdr:clientData/></xdr:twoCellAnchor></xdr:wsDr>`;
}

/** `sheet` is the name of the sheet that has the table. */
export function chartPart(sheet: string, chart: Chart, data: ChartData): string {
  const days = data.labels.map((label) => dayNumber(label) ?? null);
  const areDays = !days.includes(null);
  const cells = (column: number) => {
    const letters = columnName(column);
    const range = `$${letters}$${titleRows + 1}:$${letters}$${titleRows + data.labels.length}`;
    return `<c:f>${xml(`'${sheet.replaceAll("'", "''")}'!${range}`)}</c:f>`;
  };
  const series = data.series.map(({ name, values }, at) => {
    const column = chart.values[at] ?? 0;
    return [
      `<c:ser><c:idx val="${at}"/><c:order val="${at}"/><c:tx><c:v>${xml(name)}</c:v></c:tx>${look(data.kind, at)}`,
      areDays
        ? `<c:cat><c:numRef>${cells(chart.labels)}<c:numCache>${format("date")}${points(days)}</c:numCache></c:numRef></c:cat>`
        : `<c:cat><c:strRef>${cells(chart.labels)}<c:strCache>${points(data.labels)}</c:strCache></c:strRef></c:cat>`,
      `<c:val><c:numRef>${cells(column)}<c:numCache>${format(data.unit)}`,
      `${points(data.unit === "percent" ? values.map((value) => value && hundredth(value)) : values)}</c:numCache></c:numRef></c:val>`,
      `${data.kind === "line" ? '<c:smooth val="0"/>' : ""}</c:ser>`,
    ].join("");
  });
  const title = `<c:title><c:tx><c:rich><a:bodyPr/><a:p><a:pPr><a:defRPr sz="1200" b="1"/></a:pPr><a:r><a:rPr lang="zh-TW" sz="1200" b="1"/><a:t>${xml(data.title)}</a:t></a:r></a:p></c:rich></c:tx><c:overlay val="0"/></c:title><c:autoTitleDeleted val="0"/>`;
  const legend = '<c:legend><c:legendPos val="b"/><c:overlay val="0"/></c:legend>';
  return `${xmlHead}<c:chartSpace xmlns:c="${drawing}/chart" xmlns:a="${drawing}/main" xmlns:r="${officeRelations}"><c:roundedCorners val="0"/><c:chart>${title}<c:plotArea><c:layout/>${plot(data.kind, series.join(""))}${axes(data, areDays)}</c:plotArea>${legend}<c:plotVisOnly val="1"/><c:dispBlanksAs val="gap"/></c:chart></c:chartSpace>`;
}

function format(kind: ColumnKind): string {
  return `<c:formatCode>${xml(numberFormats[kind].code)}</c:formatCode>`;
}

function points(values: readonly (string | number | null)[]): string {
  const all = values.map((value, at) =>
    value === null ? "" : `<c:pt idx="${at}"><c:v>${xml(String(value))}</c:v></c:pt>`,
  );
  return `<c:ptCount val="${values.length}"/>${all.join("")}`;
}

function look(kind: ChartData["kind"], at: number): string {
  const fill = `<a:solidFill><a:srgbClr val="${seriesColors[at % seriesColors.length]?.slice(1)}"/></a:solidFill>`;
  return kind === "line"
    ? `<c:spPr><a:ln w="22225" cap="rnd">${fill}</a:ln></c:spPr><c:marker><c:symbol val="none"/></c:marker>`
    : `<c:spPr>${fill}</c:spPr><c:invertIfNegative val="0"/>`;
}

function plot(kind: ChartData["kind"], series: string): string {
  const axisIds = '<c:axId val="1"/><c:axId val="2"/>';
  return kind === "line"
    ? `<c:lineChart><c:grouping val="standard"/><c:varyColors val="0"/>${series}<c:marker val="1"/>${axisIds}</c:lineChart>`
    : `<c:barChart><c:barDir val="bar"/><c:grouping val="clustered"/><c:varyColors val="0"/>${series}<c:gapWidth val="60"/>${axisIds}</c:barChart>`;
}

/** Bars lie, so that long names can be read, and the first row is the topmost. */
function axes({ kind, unit, series }: ChartData, areDays: boolean): string {
  const most = Math.max(...series.flatMap(({ values }) => values.map((value) => Math.abs(value ?? 0))));
  const [turn, names, figures] = kind === "line" ? ["minMax", "b", "l"] : ["maxMin", "l", "b"];
  const scaling = (orientation = "minMax") =>
    `<c:scaling><c:orientation val="${orientation}"/></c:scaling><c:delete val="0"/>`;
  const ticks = (place: string) =>
    `<c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="${place}"/>`;
  const lines =
    '<c:majorGridlines><c:spPr><a:ln w="6350"><a:solidFill><a:srgbClr val="D9D9D9"/></a:solidFill></a:ln></c:spPr></c:majorGridlines>';
  const axisFormat = `<c:numFmt formatCode="${xml(unit === "percent" && most >= 5 ? "0%" : numberFormats[unit].code)}" sourceLinked="0"/>`;
  return [
    `<c:catAx><c:axId val="1"/>${scaling(turn)}<c:axPos val="${names}"/><c:numFmt formatCode="${areDays ? numberFormats.date.code : "General"}" sourceLinked="0"/>${ticks("low")}`,
    '<c:crossAx val="2"/><c:crosses val="autoZero"/><c:auto val="0"/><c:lblOffset val="100"/><c:noMultiLvlLbl val="1"/></c:catAx>',
    `<c:valAx><c:axId val="2"/>${scaling()}<c:axPos val="${figures}"/>${lines}${axisFormat}${ticks("nextTo")}`,
    `<c:crossAx val="1"/><c:crosses val="${kind === "line" ? "autoZero" : "max"}"/><c:crossBetween val="between"/></c:valAx>`,
  ].join("");
}
