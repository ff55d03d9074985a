import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TextBytes, type Flow } from "./text-bytes.ts";

function made(pieces: readonly string[], flow?: Flow): string {
  const bytes = new TextBytes(flow);
  for (const piece of pieces) bytes.add(Buffer.from(piece, "latin1"));
  return bytes.end().toString("latin1");
}

const flows: readonly Flow[] = [undefined, { delSp: false }, { delSp: true }];

test("CRLF becomes LF, and nothing else does", () => {
  assert.is(made(["a\r\n\r\nb\rc\n\r\r\nd\r"]), "a\n\nb\rc\n\r\nd\r");
  const long = "0123456789".repeat(10);
  assert.is(made([`${long}\r\n`.repeat(100) + "a\r\n".repeat(200)]), `${long}\n`.repeat(100) + "a\n".repeat(200));
});

const flowed: [given: string, kept: string, deleted: string][] = [
  ["soft \r\nbreak\r\nhard", "soft break\nhard", "softbreak\nhard"],
  ["two \r\nsoft \r\nbreaks", "two soft breaks", "twosoftbreaks"],
  ["text\r\n-- \r\nsignature", "text\n-- \nsignature", "text\n-- \nsignature"],
  [" From here\r\n >quoted", "From here\n>quoted", "From here\n>quoted"],
  ["> quoted \r\n> on", "> quoted > on", "> quoted> on"],
  ["a \r\n\r\nb", "a b", "a\nb"],
  ["a\r\n\r\nb\r\n", "a\n\nb", "a\n\nb"],
  ["a\r\n\r\n", "a\n", "a\n"],
  ["\r\n", "", ""],
  ["", "", ""],
];
for (const [given, kept, deleted] of flowed) {
  test(`${JSON.stringify(given)} flows`, () => {
    assert.is(made([given], { delSp: false }), kept);
    assert.is(made([given], { delSp: true }), deleted);
  });
}

test("however a text is cut into pieces, the same comes of it", () => {
  const text = fc.string({ unit: fc.constantFrom("\r", "\n", "\r\n", " ", "-", "a", "-- \r\n"), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { maxLength: 5 }), (given, cuts) => {
      const places = [0, ...cuts.map((cut) => Math.min(cut, given.length)).toSorted((a, b) => a - b), given.length];
      const pieces = places.slice(1).map((end, index) => given.slice(places[index], end));
      for (const flow of flows) assert.is(made(pieces, flow), made([given], flow));
    }),
  );
});

test.run();
