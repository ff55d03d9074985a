import { test } from "uvu";
import * as assert from "uvu/assert";
import { Problem } from "../../../runtime/problem.ts";
import { hotelDay, periodBefore, periodOf, type AskedPeriod } from "./period.ts";
import { change, rate } from "./rates.ts";

const clock = { clock: { now: () => new Date("2025-10-08T15:59:59Z"), uuid: () => "" } };

const faults = (asked: AskedPeriod) => {
  try {
    periodOf(clock, asked);
    return [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.details?.map(({ field }) => field);
  }
};

test("a day ends at the hotel's midnight", () => {
  assert.is(hotelDay(new Date("2025-10-08T15:59:59Z")), "2025-10-08");
  assert.is(hotelDay(new Date("2025-10-08T16:00:00Z")), "2025-10-09");
});

test("what is not said is until today, and thirty days", () => {
  assert.equal(periodOf(clock, {}), { start: "2025-09-09", end: "2025-10-08", days: 30 });
  assert.equal(periodOf(clock, { end_date: "2024-03-01" }), { start: "2024-02-01", end: "2024-03-01", days: 30 });
  assert.equal(periodOf(clock, { start_date: "2025-10-08" }), { start: "2025-10-08", end: "2025-10-08", days: 1 });
});

test("the period before is as long, and ends just before", () => {
  const before = (asked: AskedPeriod) => periodBefore(periodOf(clock, asked));
  assert.equal(before({ start_date: "2025-10-01", end_date: "2025-10-08" }), {
    start: "2025-09-23",
    end: "2025-09-30",
    days: 8,
  });
  assert.equal(before({ start_date: "2024-03-01", end_date: "2024-03-01" }), {
    start: "2024-02-29",
    end: "2024-02-29",
    days: 1,
  });
});

test("a year with its leap day is the most, and an end is not before its start", () => {
  assert.equal(faults({ start_date: "2024-01-01", end_date: "2024-12-31" }), []);
  assert.equal(faults({ start_date: "2024-01-01", end_date: "2025-01-01" }), ["end_date"]);
  assert.equal(faults({ start_date: "2025-10-02", end_date: "2025-10-01" }), ["end_date"]);
  assert.equal(faults({ start_date: "2025-10-09" }), ["end_date"]);
  assert.equal(faults({ start_date: "0001-01-01", end_date: "9999-12-31" }), ["start_date", "end_date"]);
});

test("rates and changes have one decimal; what cannot be compared is not", () => {
  assert.is(rate(1, 3), 33.3);
  assert.is(rate(2, 3), 66.7);
  assert.is(rate(5, 0), 0);
  assert.is(change(115.3, 100), 15.3);
  assert.is(change(97.9, 100), -2.1);
  assert.is(change(0, 40), -100);
  assert.is(change(5, 0), null);
  assert.ok(Object.is(change(99_999, 100_000), 0));
});

test.run();
