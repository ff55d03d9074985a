import { test } from "uvu";
import * as assert from "uvu/assert";
import { clean } from "./headers.ts";

const cases: [given: string, made: string][] = [
  ["a  b", "a  b"],
  ["a\r\nBcc: x@y.example", "a Bcc: x@y.example"],
  ["a \t\0 b", "a b"],
  ["a\u2028b", "a b"],
  [" a ", "a"],
  ["\uD83Da", "\uFFFDa"],
];
for (const [given, made] of cases) {
  test(`${JSON.stringify(given)} in one line is ${JSON.stringify(made)}`, () => assert.is(clean(given), made));
}

test("a run of blanks of any length holds up nobody", () => {
  for (const given of [`a${" ".repeat(250_000)}b`, "\r\n ".repeat(80_000)]) {
    const started = performance.now();
    clean(given);
    assert.ok(performance.now() - started < 500);
  }
});

test.run();
