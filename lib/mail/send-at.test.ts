import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSendAt } from "./send-at.ts";

const now = new Date("2026-01-20T10:00:00.000Z");
const parse = (text: string, at = now) => {
  const parsed = parseSendAt(text, at);
  return typeof parsed === "string" ? parsed : parsed.toISOString();
};

test("a time with an offset is that moment", () => {
  assert.is(parse("2026-01-20T10:05:00Z"), "2026-01-20T10:05:00.000Z");
  assert.is(parse("2026-01-20T18:05:00+08:00"), "2026-01-20T10:05:00.000Z");
  assert.is(parse("2026-01-20t10:05:00.25z"), "2026-01-20T10:05:00.250Z");
  assert.is(parse("2026-01-20T06:05:00.123456-04:00"), "2026-01-20T10:05:00.123Z");
});

const nonsense = [
  "",
  "tomorrow",
  "2026-01-20",
  "2026-01-20T10:05:00",
  "2026-01-20 10:05:00Z",
  "2026-01-20T10:05Z",
  "2026-01-20T10:05:00+0800",
  "2026-13-20T10:05:00Z",
  "2026-01-20T25:05:00Z",
  "2026-06-30T23:59:60Z",
  "+012026-01-20T10:05:00Z",
  "1768903500",
  " 2026-01-20T10:05:00Z",
];
for (const text of nonsense) {
  test(`"${text}" is no time to send a mail at`, () => {
    assert.match(parse(text), "must be a time of RFC 3339 with an offset");
  });
}

test("a minute past is forgiven, more is not", () => {
  assert.is(parse("2026-01-20T09:59:00Z"), "2026-01-20T09:59:00.000Z");
  assert.is(parse("2026-01-20T09:58:59.999Z"), "is more than a minute in the past");
});

test("a year ahead is the most", () => {
  assert.is(parse("2027-01-20T10:00:00Z"), "2027-01-20T10:00:00.000Z");
  assert.is(parse("2027-01-20T10:00:00.001Z"), "is more than a year ahead");
  const leapDay = new Date("2028-02-29T10:00:00Z");
  assert.is(parse("2029-03-01T10:00:00Z", leapDay), "2029-03-01T10:00:00.000Z");
});

test.run();
