/** When a job runs: times as people write them, time zones, and cron lines. Pure. */
import { Cron } from "croner";
import type { Detail } from "../../runtime/problem.ts";
import type { JobPlan } from "./job.ts";

/** Date and time with blank or T between them; the offset may be missing. */
const timePattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/**
 * Reads a time. One without an offset is taken in `timeZone`; where clocks go forward over it, it is as much later, and
 * where they show it twice, it is the first (RFC 5545, section 3.3.5). Returns a sentence that says what is wrong
 * instead, ready to follow the name of the field.
 */
export function parseTime(text: string, timeZone: string): Date | string {
  const [, date, time, offset] = timePattern.exec(text.trim()) ?? [];
  if (date === undefined || time === undefined) {
    return 'must be a time such as "2026-01-20 09:30:00" or "2026-01-20T09:30:00+08:00"';
  }
  try {
    const local = Temporal.PlainDateTime.from(`${date}T${time}`, { overflow: "reject" });
    const zoned = local.toZonedDateTime(offset === undefined ? timeZone : offsetZone(offset));
    // What the table takes, and what can be shown with four digits.
    if (zoned.epochMilliseconds < 0 || zoned.withTimeZone("UTC").year > 9998)
      return "must be in the years 1970 to 9998";
    return new Date(zoned.epochMilliseconds);
  } catch {
    return "must be a day and time that exist";
  }
}

/** `+0800`, `+08` and `z` as Temporal takes them. */
function offsetZone(offset: string): string {
  if (/^z$/i.test(offset)) return "UTC";
  const [, sign = "+", hours = "00", minutes = "00"] = /^([+-])(\d\d):?(\d\d)?$/.exec(offset) ?? [];
  return `${sign}${hours}:${minutes}`;
}

/** A time as it is shown: with the offset that its place has then. */
export function showTime(at: Date, timeZone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(at.getTime())
    .toZonedDateTimeISO(timeZone)
    .toString({ timeZoneName: "never", smallestUnit: at.getTime() % 1000 === 0 ? "second" : "millisecond" });
}

/** A name of the IANA database. Mere offsets are none: PostgreSQL reads their sign the other way round. */
export function isTimeZone(name: string): boolean {
  if (!/^[a-z]/i.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}

const fields = [
  { name: "minute", takes: "0-59" },
  { name: "hour", takes: "0-23" },
  { name: "day of the month", takes: "1-31 or L" },
  { name: "month", takes: "1-12 or JAN-DEC" },
  { name: "day of the week", takes: "0-7 or SUN-SAT" },
] as const;

/** What is wrong with a cron line, by its field, ready to follow "cronexpr"; undefined when nothing is. */
function cronFault(line: string): string | undefined {
  const parts = line.trim().split(/\s+/);
  if (!line.startsWith("@")) {
    if (parts.length !== fields.length) {
      return `must have five fields, minute hour day month weekday, such as "30 9 * * MON-FRI"; it has ${line.trim() === "" ? 0 : parts.length}`;
    }
    for (const [index, { name, takes }] of fields.entries()) {
      const alone = fields.map((_field, at) => (at === index ? parts[at] : "*")).join(" ");
      if (!parsed(alone, "UTC")) {
        return `has a wrong ${name}, "${(parts[index] ?? "").slice(0, 40)}": ${takes} is taken, *, lists, ranges and steps`;
      }
    }
  }
  const cron = parsed(line, "UTC");
  if (!cron) return 'must be five fields of cron, or one of "@hourly", "@daily", "@weekly", "@monthly" and "@yearly"';
  return cron.nextRun() ? undefined : neverFires;
}

export const neverFires = "never fires: there is no such day";

/** What is wrong with a plan, by column. */
export function planFaults({ cronexpr, timezone }: JobPlan): Detail[] {
  const faults: Detail[] = [];
  const fault = cronexpr === null ? undefined : cronFault(cronexpr);
  if (fault !== undefined) faults.push({ field: "cronexpr", message: fault });
  if (timezone !== null && !isTimeZone(timezone)) {
    faults.push({ field: "timezone", message: 'must be a time zone of the IANA database, such as "Asia/Taipei"' });
  }
  return faults;
}

/**
 * The first time after `after` that the line names in the time zone, or null when there is none. A time that clocks skip
 * comes as soon as they have, one that they show twice comes once, unless the line names every hour. Null also for a line or
 * a time zone that is wrong: `planFaults` tells.
 */
export function nextRun(line: string, timeZone: string, after: Date): Date | null {
  return isTimeZone(timeZone) ? (parsed(line, timeZone)?.nextRun(after) ?? null) : null;
}

export type NextRun = typeof nextRun;

/** `nextRun` that looks for each time once: of the jobs that are due together, many have one plan. */
export function rememberedRuns(): NextRun {
  const known = new Map<string, Date | null>();
  return (line, timeZone, after) => {
    const key = JSON.stringify([line, timeZone, after.getTime()]);
    let next = known.get(key);
    if (next === undefined) known.set(key, (next = nextRun(line, timeZone, after)));
    return next;
  };
}

function parsed(line: string, timezone: string): Cron | undefined {
  try {
    return new Cron(line.trim(), { paused: true, mode: "5-part", timezone });
  } catch {
    return undefined;
  }
}
