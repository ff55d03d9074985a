import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isTimeZone, neverFires, nextRun, parseTime, planFaults, showTime } from "./plan.ts";

const taipei = "Asia/Taipei";
const berlin = "Europe/Berlin";

test("a time without an offset is meant in the time zone, one with an offset is what it says", () => {
  const read: [string, string][] = [
    ["2025-10-07 11:00:00", "2025-10-07T03:00:00.000Z"],
    ["2025-10-07T11:00", "2025-10-07T03:00:00.000Z"],
    [" 2025-10-07 11:00:00.250 ", "2025-10-07T03:00:00.250Z"],
    ["2025-10-07T11:00:00Z", "2025-10-07T11:00:00.000Z"],
    ["2025-10-07 11:00:00+00", "2025-10-07T11:00:00.000Z"],
    ["2025-10-07T11:00:00-0430", "2025-10-07T15:30:00.000Z"],
    ["2025-10-07t11:00:00 +09:00", "2025-10-07T02:00:00.000Z"],
  ];
  for (const [text, expected] of read) {
    const time = parseTime(text, taipei);
    assert.is(time instanceof Date ? time.toISOString() : time, expected, text);
  }
});

test("what is no time is told apart from one that does not exist", () => {
  for (const text of ["", "tomorrow", "2025-10-07", "11:00", "07/10/2025 11:00", "2025-10-07 11:00 Asia/Taipei"]) {
    assert.match(String(parseTime(text, taipei)), /^must be a time such as /, text);
  }
  for (const text of ["2025-02-30 11:00", "2025-10-07 24:01", "2025-13-01 00:00", "2025-10-07T11:00:00+99:00"]) {
    assert.is(parseTime(text, taipei), "must be a day and time that exist", text);
  }
});

test("a time is in the years that can be kept and shown", () => {
  for (const text of ["0001-01-01 00:00", "1969-12-31T23:59:59Z", "9999-06-01 00:00"]) {
    assert.is(parseTime(text, taipei), "must be in the years 1970 to 9998", text);
  }
});

test("where clocks change, a time that they skip is an hour later, and one that they show twice the first", () => {
  assert.equal(parseTime("2026-03-29 02:30", berlin), new Date("2026-03-29T01:30:00Z"));
  assert.equal(parseTime("2026-10-25 02:30", berlin), new Date("2026-10-25T00:30:00Z"));
});

test("a time that is shown reads as the same time", () => {
  assert.is(showTime(new Date("2025-10-07T03:00:00Z"), taipei), "2025-10-07T11:00:00+08:00");
  assert.is(showTime(new Date("2026-10-25T01:30:00.120Z"), berlin), "2026-10-25T02:30:00.120+01:00");
  const times = fc.date({ min: new Date("1971-01-01"), max: new Date("2200-01-01"), noInvalidDate: true });
  fc.assert(
    fc.property(times, fc.constantFrom(taipei, berlin, "America/St_Johns"), (time, zone) => {
      assert.equal(parseTime(showTime(time, zone), "UTC"), time);
    }),
  );
});

test("a time zone has a name", () => {
  for (const name of ["Asia/Taipei", "UTC", "europe/berlin"]) assert.ok(isTimeZone(name), name);
  for (const name of ["", "Mars/Olympus", "+08:00", "Asia/Taipei; DROP", "8"]) assert.not(isTimeZone(name), name);
});

const faultOf = (cronexpr: string) => planFaults({ cronexpr, timezone: null })[0]?.message;

test("a cron line is taken as people write them", () => {
  for (const line of [
    "30 9 * * MON-FRI",
    "*/15 8-18 * * 1-5",
    "0 9 L * *",
    "0 9 * * MON#2",
    "@daily",
    " 0 0 29 2 * ",
  ]) {
    assert.is(faultOf(line), undefined, line);
  }
});

test("a wrong cron line is told with its field", () => {
  const wrong: [string, RegExp][] = [
    ["60 * * * *", /^has a wrong minute, "60": 0-59 /],
    ["5-1 * * * *", /^has a wrong minute, "5-1"/],
    ["0 25 * * *", /^has a wrong hour, "25": 0-23 /],
    ["0 0 32 * *", /^has a wrong day of the month, "32"/],
    ["0 0 * foo *", /^has a wrong month, "foo": 1-12 or JAN-DEC /],
    ["0 0 * * 8", /^has a wrong day of the week, "8"/],
    ["", /^must have five fields, .*; it has 0$/],
    ["0 0 * *", /; it has 4$/],
    ["*/5 * * * * *", /; it has 6$/],
    ["@reboot", /@hourly/],
  ];
  for (const [line, message] of wrong) assert.match(faultOf(line) ?? "taken", message, line);
  for (const line of ["0 0 30 2 *", "0 0 31 4,6 *"]) assert.is(faultOf(line), neverFires, line);
  assert.equal(planFaults({ cronexpr: null, timezone: "Mars/Olympus" }), [
    { field: "timezone", message: 'must be a time zone of the IANA database, such as "Asia/Taipei"' },
  ]);
});

/** The first runs after a time, in UTC, as `day hour:minute`. */
function runsOf(line: string, zone: string, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at: Date | null = new Date(after); found.length < count && at;) {
    at = nextRun(line, zone, at);
    if (at) found.push(at.toISOString().slice(8, 16).replace("T", " "));
  }
  return found;
}

test("it is meant in its time zone", () => {
  assert.equal(runsOf("30 9 * * *", taipei, "2026-01-20T00:00:00Z", 2), ["20 01:30", "21 01:30"]);
});

test("on the day that clocks go forward, a daily job runs once: where its time is skipped, as soon as they have", () => {
  assert.equal(runsOf("30 2 * * *", berlin, "2026-03-28T00:00:00Z", 3), ["28 01:30", "29 01:00", "30 00:30"]);
  assert.equal(runsOf("0 3 * * *", berlin, "2026-03-28T00:00:00Z", 3), ["28 02:00", "29 01:00", "30 01:00"]);
});

test("on the day that clocks go back, a daily job runs once, and one that runs every hour misses none", () => {
  assert.equal(runsOf("30 2 * * *", berlin, "2026-10-24T00:00:00Z", 3), ["24 00:30", "25 00:30", "26 01:30"]);
  assert.equal(runsOf("30 2 * * *", berlin, "2026-10-25T00:45:00Z", 1), ["26 01:30"]);
  assert.equal(runsOf("0 * * * *", berlin, "2026-10-24T22:30:00Z", 4), [
    "24 23:00",
    "25 00:00",
    "25 01:00",
    "25 02:00",
  ]);
});

const zones = fc.constantFrom(taipei, berlin, "America/New_York", "Australia/Lord_Howe", "America/St_Johns");
const from = Temporal.Instant.from("2025-12-01T00:00Z").epochMilliseconds;
/** Any minute of fourteen months, and often one near a change of clocks. */
const moments = fc.oneof(
  fc.integer({ min: 0, max: 14 * 30 * 24 * 60 }).map((minute) => from + minute * 60_000),
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-29T01:00Z",
        "2026-10-25T01:00Z",
        "2026-03-08T07:00Z",
        "2026-11-01T06:00Z",
        "2026-04-04T15:00Z",
      ),
      fc.integer({ min: -1500, max: 1500 }),
    )
    .map(([change, minutes]) => Date.parse(change) + minutes * 60_000),
);
const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant("*"),
    fc.integer({ min, max }).map(String),
    fc.integer({ min: 2, max: Math.min(20, max) }).map((step) => `*/${step}`),
    fc
      .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
      .map((ends) => ends.toSorted((a, b) => a - b).join("-")),
    fc.uniqueArray(fc.integer({ min, max }), { minLength: 2, maxLength: 4 }).map((list) => list.join(",")),
  );
const cronLines = fc
  .tuple(field(0, 59), field(0, 23), fc.oneof(fc.constant("*"), field(1, 28)), fc.oneof(fc.constant("*"), field(0, 6)))
  .map(([minute, hour, day, weekday]) => `${minute} ${hour} ${day} * ${weekday}`);
const runs = (numRuns: number) => ({ seed: 20_260_120, numRuns });

/** Whether a field names a value: told here once more, in the plainest way. */
function names(text: string, value: number, first: number): boolean {
  return text.split(",").some((part) => {
    const [range = "", step] = part.split("/");
    const [low = "", high = low] = range.split("-");
    if (range === "*") return (value - first) % Number(step ?? 1) === 0;
    return value >= Number(low) && value <= Number(high);
  });
}

/** Whether a line names the minute that a clock shows. With both days restricted, also by a step, either will do (POSIX, crontab). */
function isNamed(line: string, { minute, hour, day, dayOfWeek }: Temporal.ZonedDateTime): boolean {
  const [minutes = "", hours = "", days = "", , weekdays = ""] = line.split(" ");
  const [byDay, byWeekday] = [names(days, day, 1), names(weekdays, dayOfWeek % 7, 0)];
  const either = days !== "*" && weekdays !== "*";
  return names(minutes, minute, 0) && names(hours, hour, 0) && (either ? byDay || byWeekday : byDay && byWeekday);
}
const clockAt = (at: number, zone: string) => Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
const hourMs = 3_600_000;
/** Whether clocks change within so many hours before or after. */
const changesNear = (at: number, zone: string, hours: number) =>
  clockAt(at - hours * hourMs, zone).offset !== clockAt(at + hours * hourMs, zone).offset;

test("a run is later than the time it is asked after, and at a minute that its line names", () => {
  fc.assert(
    fc.property(cronLines, zones, moments, (line, zone, after) => {
      const next = nextRun(line, zone, new Date(after))?.getTime() ?? 0;
      assert.ok(next > after, line);
      // What clocks skip comes as soon as they have: then they show another time than the line names.
      assert.ok(isNamed(line, clockAt(next, zone)) || changesNear(next, zone, 3), `${line} at ${clockAt(next, zone)}`);
    }),
    runs(1500),
  );
});

test("between a time and the next run the line names no minute, but one that clocks show twice", () => {
  fc.assert(
    fc.property(cronLines, zones, moments, (line, zone, after) => {
      const next = nextRun(line, zone, new Date(after))?.getTime() ?? 0;
      const first = Math.floor(after / 60_000) * 60_000 + 60_000;
      for (let at = first; at < Math.min(next, after + 30 * hourMs); at += 60_000) {
        if (!isNamed(line, clockAt(at, zone))) continue;
        assert.ok(
          changesNear(at, zone, 3),
          `${line} leaves ${clockAt(at, zone)} out, and goes on at ${clockAt(next, zone)}`,
        );
      }
    }),
    runs(150),
  );
});

test("what runs once a day runs once on every day of the calendar, also when clocks change", () => {
  fc.assert(
    fc.property(fc.nat({ max: 23 }), fc.nat({ max: 59 }), zones, moments, (hour, minute, zone, after) => {
      let at = nextRun(`${minute} ${hour} * * *`, zone, new Date(after));
      for (let count = 0; count < 4 && at; count++) {
        const day = clockAt(at.getTime(), zone).toPlainDate();
        at = nextRun(`${minute} ${hour} * * *`, zone, at);
        assert.is(String(at && clockAt(at.getTime(), zone).toPlainDate()), String(day.add({ days: 1 })));
      }
    }),
    runs(500),
  );
});

test.run();
