/** Figures as a page shows them. */
import { numberIn, unknownFigure, type Cell, type ColumnKind } from "./report.ts";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function figure(cell: Cell, kind: ColumnKind): string {
  if (typeof cell === "string") return cell;
  const value = numberIn(cell);
  if (value === null) return unknownFigure;
  if (kind === "percent") return `${tenth.format(value)}%`;
  if (kind === "money") return `${value < 0 ? "-" : ""}NT$${whole.format(Math.abs(value))}`;
  return kind === "integer" ? whole.format(value) : String(value);
}

/** A figure beside an axis: as short as can be. */
export function tickFigure(value: number, kind: ColumnKind): string {
  return kind === "percent" ? `${Number(value.toPrecision(12))}%` : figure(value, kind === "text" ? "integer" : kind);
}

/** Round values of an axis that has these: steps of 1, 2 or 5 times a power of ten, about five of them. */
export function axisTicks(values: readonly (number | null)[], kind: ColumnKind): number[] {
  const known = values.filter((value) => value !== null);
  const least = known.reduce((min, value) => Math.min(min, value), 0);
  const most = known.reduce((max, value) => Math.max(max, value), 0);
  const rough = (most - least || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((times) => times * power >= rough * (1 - 1e-9)) ?? 10);
  const unit = kind === "percent" ? step : Math.max(step, 1);
  const first = Math.floor(least / unit);
  const count = Math.max(Math.ceil(most / unit - 1e-9) - first, 1);
  return Array.from({ length: count + 1 }, (_, at) => Number(((first + at) * unit).toPrecision(12)));
}
