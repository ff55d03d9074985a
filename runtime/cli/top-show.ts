/** The view as text for a terminal. Pure. */
import { stripVTControlCharacters, styleText } from "node:util";
import type { FunctionView, ProcessView, View } from "./top-view.ts";

export interface Size {
  columns: number;
  rows: number;
}

type Cell = string | { text: string; colour: "red" | "yellow" | "green" | "dim" };

/** Lines, none wider than the terminal and no more than it has: what does not fit of the functions is counted. */
export function show(view: View, title: string, { columns, rows }: Size): string[] {
  const rest = [
    ...section(
      ["PROCESS", "STATE", "MEMORY", "OF", "HEAP", "CPU", "LOOP P99", "UP", ""],
      view.processes.map((one) => [
        one.process,
        stateCell(one),
        memoryCell(one),
        bytes(one.memory_limit),
        bytes(one.heap),
        one.cpu === undefined ? "-" : `${Math.round(one.cpu * 100)} %`,
        warnAbove(0.25, one.loop, duration(one.loop)),
        age(one.uptime),
        { text: one.remark, colour: "red" },
      ]),
    ),
    ...section(
      ["QUEUE", "READY", "DELAYED", "OLDEST", "TAKEN/S", "RETRIES/S", "DEAD/S"],
      view.queues.map((one) => [
        one.queue,
        count(one.ready),
        count(one.delayed),
        age(one.oldest),
        perSecond(one.taken),
        warnAbove(0, one.retries, perSecond(one.retries)),
        badAbove(0, one.dead, perSecond(one.dead)),
      ]),
    ),
    ...section(
      ["PROVIDER", "ACCEPTED/S", "THROTTLED/S", "HELD/S", "FAILED/S", "UNKNOWN/S", "P95"],
      view.providers.map((one) => [
        one.provider,
        perSecond(one.accepted),
        warnAbove(0, one.throttled, perSecond(one.throttled)),
        perSecond(one.held),
        badAbove(0, one.failed, perSecond(one.failed)),
        badAbove(0, one.unknown, perSecond(one.unknown)),
        duration(one.p95),
      ]),
    ),
  ];
  const room = Math.max(3, rows - rest.length - 4);
  const busy = view.functions;
  const fit = busy.length > room ? busy.slice(0, room - 1) : busy;
  const functions = section(
    ["FUNCTION", "CALLS/S", "ERRORS/S", "P50", "P95", "IN FLIGHT", "SHED/S", "VERSION"],
    fit.map(functionCells),
  );
  if (fit.length < busy.length) functions.splice(-1, 0, styleText("dim", `… ${busy.length - fit.length} more`));
  return [styleText("bold", title), "", ...functions, ...rest].slice(0, rows).map((line) => cut(line, columns));
}

function functionCells(one: FunctionView): Cell[] {
  const version: Cell = /canary|,/.test(one.version) ? { text: one.version, colour: "yellow" } : one.version;
  return [
    one.calls > 0 ? one.function : { text: one.function, colour: "dim" },
    perSecond(one.calls),
    badAbove(0, one.errors, perSecond(one.errors)),
    duration(one.p50),
    duration(one.p95),
    count(one.in_flight),
    warnAbove(0, one.shed, perSecond(one.shed)),
    version,
  ];
}

function stateCell({ state }: ProcessView): Cell {
  return { text: state, colour: state === "ready" ? "green" : "red" };
}

function memoryCell({ memory, memory_limit: limit }: ProcessView): Cell {
  const share = memory === undefined || limit === undefined ? 0 : memory / limit;
  return warnAbove(0.9, share, bytes(memory));
}

function warnAbove(limit: number, value: number | undefined, text: string): Cell {
  return value !== undefined && value > limit ? { text, colour: "yellow" } : text;
}

function badAbove(limit: number, value: number | undefined, text: string): Cell {
  return value !== undefined && value > limit ? { text, colour: "red" } : text;
}

/** A heading and rows in columns; numbers to the right. Nothing without rows. */
function section(heading: readonly string[], rows: readonly Cell[][]): string[] {
  if (rows.length === 0) return [];
  const textOf = (cell: Cell | undefined) => (typeof cell === "object" ? cell.text : (cell ?? ""));
  const widths = heading.map((name, i) => Math.max(name.length, ...rows.map((row) => textOf(row[i]).length)));
  const leftmost = (i: number) => i === 0 || ["STATE", "VERSION", ""].includes(heading[i] ?? "");
  const line = (cells: readonly Cell[]) =>
    cells.map((cell, i) => {
      const text = textOf(cell);
      const padded = leftmost(i) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0);
      return typeof cell === "object" && text !== "" ? styleText(cell.colour, padded) : padded;
    });
  return [
    styleText("dim", line(heading).join("  ").trimEnd()),
    ...rows.map((row) => line(row).join("  ").trimEnd()),
    "",
  ];
}

function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  // A line that is too long loses its colours: cutting between them would colour the rest of the screen.
  return plain.length <= columns ? line : `${plain.slice(0, Math.max(0, columns - 1))}…`;
}

export function perSecond(rate: number): string {
  if (rate === 0) return "-";
  return rate >= 100 ? count(Math.round(rate)) : rate >= 0.1 ? rate.toFixed(1) : "<0.1";
}

export function count(number: number): string {
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)}M`;
  return number >= 10_000 ? `${(number / 1e3).toFixed(1)}k` : String(number);
}

export function duration(seconds: number | undefined): string {
  if (seconds === undefined || Number.isNaN(seconds)) return "-";
  if (seconds >= 10) return `${Math.round(seconds)} s`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 0.01 ? `${Math.round(seconds * 1000)} ms` : `${(seconds * 1000).toFixed(1)} ms`;
}

export function age(seconds: number | undefined): string {
  if (seconds === undefined) return "-";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export function bytes(number: number | undefined): string {
  return number === undefined ? "-" : `${Math.round(number / 2 ** 20)} MB`;
}
