/** Charts as a page has them: lines over days, bars beside names. */
import { seriesColors } from "../colors.ts";
import type { ChartData } from "../chart-data.ts";
import { axisTicks, figure, tickFigure } from "../figures.ts";
import { gray, lineGray, type Paper } from "./paper.ts";

const [titleHeight, legendHeight, axisHeight, gapBelow] = [18, 18, 16, 12];
const size = 8;
const linesHeight = 180;
/** One bar, and what lies between two names' bars. */
const [barHeight, barGap] = [9, 7];

/** The plot's rectangle, and where a value lies in it. */
interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly ticks: readonly number[];
  /** 0 at the least tick, 1 at the greatest. */
  readonly share: (value: number) => number;
}

/** How much of a page a chart takes. */
export function chartHeight(data: ChartData): number {
  return titleHeight + legendHeight + plotHeight(data) + axisHeight + gapBelow;
}

/** Draws a chart at the top of what is left of the page. */
export function drawChart(paper: Paper, data: ChartData): void {
  paper.line(data.title, { y: paper.y, size: 9, font: "bold" });
  legend(paper, data);
  if (data.kind === "line") drawLines(paper, data);
  else drawBars(paper, data);
}

function plotHeight({ kind, labels, series }: ChartData): number {
  return kind === "line" ? linesHeight : labels.length * (series.length * barHeight + barGap);
}

function color(series: number): string {
  return seriesColors[series % seriesColors.length] ?? gray;
}

function legend(paper: Paper, { series }: ChartData): void {
  const { doc } = paper;
  const y = paper.y + titleHeight;
  const each = Math.min(130, paper.width / Math.max(series.length, 1));
  for (const [at, { name }] of series.entries()) {
    const x = paper.left + at * each;
    doc.rect(x, y + 3, 10, 5).fill(color(at));
    paper.line(name, { x: x + 14, y, width: each - 20, size });
  }
}

function makePlot(paper: Paper, data: ChartData, labelWidth: number): Plot {
  const ticks = axisTicks(
    data.series.flatMap(({ values }) => values),
    data.unit,
  );
  const [least = 0, most = 1] = [ticks[0], ticks.at(-1)];
  return {
    left: paper.left + labelWidth,
    top: paper.y + titleHeight + legendHeight,
    width: paper.width - labelWidth - 36,
    height: plotHeight(data),
    ticks,
    share: (value) => (value - least) / (most - least),
  };
}

function drawLines(paper: Paper, data: ChartData): void {
  const { doc } = paper;
  const plot = makePlot(paper, data, 56);
  const { left, top, width, height } = plot;
  const heightOf = (value: number) => top + height * (1 - plot.share(value));
  for (const tick of plot.ticks) {
    const y = heightOf(tick);
    rule(paper, [left, y], [left + width, y]);
    paper.line(tickFigure(tick, data.unit), { x: paper.left, y: y - 6, width: 50, size, color: gray, align: "right" });
  }
  const last = Math.max(data.labels.length - 1, 1);
  const placeOf = (point: number) => (data.labels.length === 1 ? left + width / 2 : left + (width * point) / last);
  const every = Math.max(1, Math.ceil(data.labels.length / 7));
  for (const [point, label] of data.labels.entries()) {
    if (point % every !== 0) continue;
    paper.line(label, { x: placeOf(point) - 35, y: top + height + 3, width: 70, size, color: gray, align: "center" });
  }
  for (const [at, { values }] of data.series.entries()) {
    let isDrawing = false;
    for (const [point, value] of values.entries()) {
      if (value !== null) {
        if (!isDrawing) doc.moveTo(placeOf(point), heightOf(value));
        doc.lineTo(placeOf(point), heightOf(value)); // To itself at first: a dot, if gaps are around it.
      }
      isDrawing = value !== null;
    }
    doc.lineWidth(1.4).lineCap("round").lineJoin("round").strokeColor(color(at)).stroke();
    if (data.labels.length > 62) continue;
    for (const [point, value] of values.entries())
      if (value !== null) doc.circle(placeOf(point), heightOf(value), 1.8).fill(color(at));
  }
}

function drawBars(paper: Paper, data: ChartData): void {
  const { doc } = paper;
  const labelWidth = Math.min(170, paper.width / 3);
  const plot = makePlot(paper, data, labelWidth);
  const { left, top, width, height } = plot;
  const placeOf = (value: number) => left + width * plot.share(value);
  for (const tick of plot.ticks) {
    const x = placeOf(tick);
    rule(paper, [x, top], [x, top + height]);
    paper.line(tickFigure(tick, data.unit), {
      x: x - 35,
      y: top + height + 3,
      width: 70,
      size,
      color: gray,
      align: "center",
    });
  }
  const group = data.series.length * barHeight;
  for (const [point, label] of data.labels.entries()) {
    const y = top + point * (group + barGap) + barGap / 2;
    paper.line(label, { x: paper.left, y: y + group / 2 - 6, width: labelWidth - 8, size, align: "right" });
    for (const [at, { values }] of data.series.entries()) {
      const value = values[point] ?? null;
      const barY = y + at * barHeight;
      const [from, to] = [placeOf(0), placeOf(value ?? 0)];
      doc.rect(Math.min(from, to), barY + 0.5, Math.abs(to - from), barHeight - 1).fill(color(at));
      paper.line(figure(value, data.unit), {
        x: Math.max(from, to) + 3,
        y: barY - 0.5,
        width: 60,
        size: 7,
        color: gray,
      });
    }
  }
  rule(paper, [placeOf(0), top], [placeOf(0), top + height], gray);
}

function rule({ doc }: Paper, from: readonly [number, number], to: readonly [number, number], ink = lineGray): void {
  doc.moveTo(...from).lineTo(...to);
  doc.lineWidth(0.5).strokeColor(ink).stroke();
}
