import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AdaptiveLimit } from "./adaptive-limit.ts";

const test = suite("a limit that follows the load");

/** A limit between 2 and 10 with a clock of its own. */
function aLimit({ min = 2, max = 10, start = 0 } = {}) {
  const limit = new AdaptiveLimit({ min, max }, start, 0);
  let now = 0;
  return {
    at: (ms: number) => limit.at((now = ms)),
    now: () => limit.at(now),
    pass: (ms: number) => limit.at((now += ms)),
    /** More waits than may run, for so long. Returns the limits there were, without repetitions. */
    backlog(ms: number): number[] {
      const seen = [limit.at(now)];
      for (const end = now + ms; now < end; now += 10) {
        limit.press(now);
        if (seen.at(-1) !== limit.at(now)) seen.push(limit.at(now));
      }
      return seen;
    },
    /** So many calls end that began now. */
    answers(count: number, kind: "good" | "bad"): void {
      for (; count > 0; count--) limit.ended(now, kind === "bad", now);
    },
    ended: (begunAt: number, kind: "good" | "bad") => limit.ended(begunAt, kind === "bad", now),
  };
}

test("a backlog has all it may have within half a second", () => {
  assert.equal(aLimit().backlog(500), [2, 4, 8, 10]);
  assert.equal(aLimit({ min: 1, max: 100 }).backlog(1000), [1, 2, 4, 8, 16, 32, 64, 100]);
});

test("without a backlog it stays where it is", () => {
  const limit = aLimit();
  limit.answers(1000, "good");
  assert.is(limit.now(), 2);
});

test("idle, it drifts back to the least, one a second", () => {
  const limit = aLimit();
  limit.backlog(500);
  assert.is(limit.pass(9000), 10);
  assert.is(limit.pass(1000), 9);
  assert.is(limit.pass(3000), 6);
  assert.is(limit.pass(60_000), 2);
  assert.equal(limit.backlog(500), [2, 4, 8, 10], "and the next backlog finds it as quick as before");
});

test("used in full now and then, it stays", () => {
  const limit = aLimit();
  limit.backlog(500);
  for (let n = 0; n < 100; n++) {
    limit.pass(9000);
    limit.backlog(10);
  }
  assert.is(limit.now(), 10);
});

test("it halves when most of the recent calls met trouble, once a second at most, and never below the least", () => {
  const limit = aLimit();
  limit.backlog(1000);
  limit.answers(10, "bad");
  assert.is(limit.now(), 10, "ten are not enough to be the rule");
  limit.answers(1, "bad");
  assert.is(limit.now(), 5);
  limit.pass(999);
  limit.answers(100, "bad");
  assert.is(limit.now(), 5);
  limit.pass(1);
  limit.answers(1, "bad");
  assert.is(limit.now(), 2);
  limit.pass(5000);
  limit.answers(100, "bad");
  assert.is(limit.now(), 2);
});

test("a few in trouble among many that are well change nothing", () => {
  const limit = aLimit();
  limit.backlog(1000);
  for (let n = 0; n < 1000; n++) {
    limit.pass(10);
    limit.answers(1, n % 3 === 0 ? "bad" : "good");
  }
  limit.backlog(10);
  assert.is(limit.now(), 10);
});

test("one of two servers in trouble neither takes the other's workers away nor keeps it from getting them", () => {
  const limit = aLimit();
  for (let n = 0; n < 1000; n++) {
    limit.backlog(10);
    limit.answers(1, n % 2 === 0 ? "bad" : "good");
  }
  assert.is(limit.now(), 10);
});

test("calls that began before a decrease do not bring about another", () => {
  const limit = aLimit();
  limit.backlog(1000);
  limit.answers(11, "bad");
  assert.is(limit.now(), 5);
  limit.pass(5000);
  for (let n = 0; n < 100; n++) limit.ended(900, "bad");
  assert.is(limit.now(), 5);
});

test("in trouble it does not grow; when that is over it grows with care, one a second", () => {
  const limit = aLimit();
  limit.backlog(1000);
  for (let n = 0; n < 5; n++) {
    limit.answers(11, "bad");
    limit.pass(1000);
  }
  assert.is(limit.now(), 2);
  assert.equal(limit.backlog(10_000), [2]);
  limit.answers(6, "good");
  assert.equal(limit.backlog(3500), [2, 3, 4, 5, 6]);
  assert.equal(limit.backlog(5000), [6, 7, 8, 9, 10]);
});

test("half a minute after the last trouble it may be quick again", () => {
  const limit = aLimit();
  limit.backlog(1000);
  limit.answers(50, "bad");
  limit.answers(50, "good");
  limit.pass(60_000);
  assert.equal(limit.backlog(500), [2, 4, 8, 10]);
});

test("it can take over where another was, within its own bounds", () => {
  assert.is(aLimit({ start: 7 }).now(), 7);
  assert.is(aLimit({ start: 70 }).now(), 10);
  assert.is(aLimit({ start: 1 }).now(), 2);
  assert.is(aLimit({ start: 7 }).at(60_000), 2, "and drifts back like any other");
});

test("with equal bounds it is that number, whatever happens", () => {
  const limit = aLimit({ min: 5, max: 5 });
  limit.answers(100, "bad");
  limit.backlog(2000);
  assert.is(limit.at(100_000), 5);
});

test.run();
