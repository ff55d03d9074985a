/** The days that figures are asked for. */
import type { Context } from "../../../runtime/context.ts";
import { problems, type Detail, type RequestPart } from "../../../runtime/problem.ts";
import { hotelZone } from "../hotel-time.ts";

/** From `start` to `end`, both included, as `YYYY-MM-DD` of the hotel's calendar. */
export interface Period {
  readonly start: string;
  readonly end: string;
  readonly days: number;
}

export interface AskedPeriod {
  start_date?: string;
  end_date?: string;
}

/** A year, and a leap day. */
export const mostDays = 366;
/** Without a start, as many days as end with the last one. */
const usualDays = 30;
/** Outside of these a day is a slip of the pen. */
const firstDay = "2000-01-01";
const lastDay = "2100-12-31";

const dayMs = 24 * 60 * 60 * 1000;
const calendar = new Intl.DateTimeFormat("en-CA", { timeZone: hotelZone, dateStyle: "short" });

/** The hotel's calendar day. */
export function hotelDay(at: Date): string {
  return calendar.format(at);
}

/**
 * The period that is asked for: without an end, until today; without a start, of 30 days. Throws `invalid_request`, by
 * field: an end before the start, more than 366 days.
 */
export function periodOf(
  { clock }: Pick<Context, "clock">,
  { start_date, end_date }: AskedPeriod,
  part: RequestPart = "query",
): Period {
  const end = end_date ?? hotelDay(clock.now());
  const start = start_date ?? addDays(end, 1 - usualDays);
  const days = daysFrom(start, end);
  const details: Detail[] = [];
  for (const [field, day] of Object.entries({ start_date: start, end_date: end })) {
    if (day < firstDay || day > lastDay) details.push({ field, message: `must be from ${firstDay} to ${lastDay}` });
  }
  if (details.length === 0 && days < 1)
    details.push({ field: "end_date", message: `must not be before start_date, ${start}` });
  if (details.length === 0 && days > mostDays)
    details.push({ field: "end_date", message: `must be at most ${mostDays} days, counting both, from start_date` });
  if (details.length > 0) throw problems.invalidRequest({ details, part });
  return { start, end, days };
}

/** The period of the same length just before. */
export function periodBefore({ start, days }: Period): Period {
  return { start: addDays(start, -days), end: addDays(start, -1), days };
}

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * dayMs).toISOString().slice(0, 10);
}

function daysFrom(start: string, end: string): number {
  return Math.round((Date.parse(end) - Date.parse(start)) / dayMs) + 1;
}
