import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Base64Decoder, decodeQuotedPrintable, QuotedPrintableDecoder, type Decoder } from "./decoders.ts";

function through(decoder: Decoder, pieces: readonly Buffer[]): string {
  return Buffer.concat([...pieces.map((piece) => decoder.decode(piece)), decoder.end()]).toString("latin1");
}

/** A text in pieces, cut at these places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const ends = [0, ...places.map((place) => Math.min(place, text.length)).toSorted((a, b) => a - b), text.length];
  return ends.slice(1).map((end, index) => Buffer.from(text.slice(ends[index], end), "latin1"));
}

const quoted: [given: string, meant: string][] = [
  ["a=20b=3D", "a b="],
  ["soft=\r\nbreak", "softbreak"],
  ["soft= \t\r\nbreak", "softbreak"],
  ["soft=\nbreak", "softbreak"],
  ["end=", "end"],
  ["pad  \r\nding\t", "pad\r\nding"],
  ["in side  of", "in side  of"],
  ["=e4=Bd=a0", "\u00e4\u00bd\u00a0"],
  ["=zz=1", "=zz=1"],
  ["==41", "=A"],
  ["", ""],
];
for (const [given, meant] of quoted) {
  test(`quoted-printable: ${JSON.stringify(given)} means ${JSON.stringify(meant)}, however it comes`, () => {
    assert.is(decodeQuotedPrintable(Buffer.from(given)).toString("latin1"), meant);
    for (let at = 0; at <= given.length; at++) {
      assert.is(through(new QuotedPrintableDecoder(), cut(given, [at])), meant, `cut at ${at}`);
    }
  });
}

test("quoted-printable in pieces is the same as in one", () => {
  const text = fc.string({ unit: fc.constantFrom("=", " ", "\t", "\r", "\n", "A", "4", "x"), maxLength: 30 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(30), { maxLength: 4 }), (given, places) => {
      const whole = decodeQuotedPrintable(Buffer.from(given)).toString("latin1");
      assert.is(through(new QuotedPrintableDecoder(), cut(given, places)), whole);
    }),
  );
});

test("what would keep others busy for minutes is done in no time", () => {
  const blanks = " ".repeat(2_000_000);
  for (const given of [`a${blanks}b`, `a=${blanks}b`, `a${"= ".repeat(1_000_000)}b`, "=".repeat(2_000_000)]) {
    const started = performance.now();
    decodeQuotedPrintable(Buffer.from(given));
    through(
      new QuotedPrintableDecoder(),
      cut(
        given,
        Array.from({ length: 30 }, (_, index) => index * 65_536),
      ),
    );
    assert.ok(performance.now() - started < 2000);
  }
});

test("a line of blanks that is longer than anything stays as it is", () => {
  const given = `a${" ".repeat(200_000)}b`;
  assert.is(through(new QuotedPrintableDecoder(), cut(given, [65_536, 131_072])), given);
});

const base64: [given: string, meant: string][] = [
  ["QUJD", "ABC"],
  ["QU\r\nJD\r\n", "ABC"],
  ["QUI=", "AB"],
  ["QQ==QUI=", "AAB"],
  ["QUI", "AB"],
  ["Q*U-J_D\u00e9", "ABC"],
  ["", ""],
];
for (const [given, meant] of base64) {
  test(`base64: ${JSON.stringify(given)} means ${JSON.stringify(meant)}, however it comes`, () => {
    for (let at = 0; at <= given.length; at++) {
      assert.is(through(new Base64Decoder(), cut(given, [at])), meant, `cut at ${at}`);
    }
  });
}

test("base64 of padding alone takes no more memory than its own size, a few times over", () => {
  const content = Buffer.from("a=".repeat(3_000_000));
  const before = process.memoryUsage().rss;
  assert.is(new Base64Decoder().decode(content).length, 0);
  assert.ok(process.memoryUsage().rss - before < 150 * 2 ** 20);
});

test("base64 in pieces is what was encoded", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.nat(80), { maxLength: 4 }), (bytes, places) => {
      const content = Buffer.from(bytes);
      const decoded = through(new Base64Decoder(), cut(content.toString("base64"), places));
      assert.is(decoded, content.toString("latin1"));
    }),
  );
});

test.run();
