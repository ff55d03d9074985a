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
function runs(line: string, zone: string, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at: Date | null = new Date(after); found.length < count && at;) {
    at = nextRun(line, zone, at);
    if (at) found.push(at.toISOString().slice(8, 16).replace("T", " "));
  }
  return found;
}

test("it is meant in its time zone", () => {
  assert.equal(runs("30 9 * * *", taipei, "2026-01-20T00:00:00Z", 2), ["20 01:30", "21 01:30"]);
});

test("on the day that clocks go forward, a daily job runs once: where its time is skipped, as soon as they have", () => {
  assert.equal(runs("30 2 * * *", berlin, "2026-03-28T00:00:00Z", 3), ["28 01:30", "29 01:00", "30 00:30"]);
  assert.equal(runs("0 3 * * *", berlin, "2026-03-28T00:00:00Z", 3), ["28 02:00", "29 01:00", "30 01:00"]);
});

test("on the day that clocks go back, a daily job runs once, and one that runs every hour misses none", () => {
  assert.equal(runs("30 2 * * *", berlin, "2026-10-24T00:00:00Z", 3), ["24 00:30", "25 00:30", "26 01:30"]);
  assert.equal(runs("30 2 * * *", berlin, "2026-10-25T00:45:00Z", 1), ["26 01:30"]);
  assert.equal(runs("0 * * * *", berlin, "2026-10-24T22:30:00Z", 4), ["24 23:00", "25 00:00", "25 01:00", "25 02:00"]);
});

test("a run is always later than the time that it is asked after", () => {
  const lines = fc.constantFrom("*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 */3 * * SUN");
  const times = fc.date({ min: new Date("2020-01-01"), max: new Date("2030-01-01"), noInvalidDate: true });
  fc.assert(
    fc.property(lines, fc.constantFrom(berlin, "America/New_York"), times, (line, zone, after) => {
      const next = nextRun(line, zone, after);
      assert.ok(next && next > after);
    }),
  );
});

test.run();
