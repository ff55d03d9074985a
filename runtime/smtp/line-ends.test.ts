import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LineEnds } from "./line-ends.ts";

function normalized(pieces: readonly string[]): string {
  const ends = new LineEnds();
  const parts = pieces.map((piece) => ends.normalize(Buffer.from(piece, "latin1")));
  return Buffer.concat([...parts, ends.end()]).toString("latin1");
}

const cases: [given: string, made: string][] = [
  ["a\r\nb\r\n", "a\r\nb\r\n"],
  ["a\nb\n", "a\r\nb\r\n"],
  ["a\rb", "a b"],
  ["a\r\r\nb", "a\r\nb"],
  ["a\r\r\r\rb", "a b"],
  ["\n.\n", "\r\n.\r\n"],
  ["\r.\r", " . "],
  ["\n\r", "\r\n "],
  ["", ""],
];
for (const [given, made] of cases) {
  test(`${JSON.stringify(given)} becomes ${JSON.stringify(made)}`, () => {
    assert.is(normalized([given]), made);
  });
}

test("what is as it should be is not copied", () => {
  const piece = Buffer.from("a\r\nb\r\n");
  assert.is(new LineEnds().normalize(piece), piece);
});

test("after many short lines it is no different", () => {
  const start = "a\r\n".repeat(200);
  for (const [given, made] of cases) assert.is(normalized([start + given]), start + made);
  const piece = Buffer.from(start);
  assert.is(new LineEnds().normalize(piece), piece);
});

test("however a message is cut into pieces, the same comes of it, without a lone CR or LF", () => {
  const text = fc.string({ unit: fc.constantFrom("\r", "\n", ".", "a"), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { maxLength: 5 }), (given, cuts) => {
      const places = [0, ...cuts.map((cut) => Math.min(cut, given.length)).toSorted((a, b) => a - b), given.length];
      const pieces = places.slice(1).map((end, index) => given.slice(places[index], end));
      const whole = normalized([given]);
      assert.is(normalized(pieces), whole);
      assert.not.match(whole, /\r(?!\n)|(?<!\r)\n/);
    }),
  );
});

test.run();
