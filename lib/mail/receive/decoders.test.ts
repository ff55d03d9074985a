import { buffer } from "node:stream/consumers";
import type { Transform } from "node:stream";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Base64Decoder, decodeBase64, decodeQuotedPrintable, QuotedPrintableDecoder } from "./decoders.ts";

async function through(decoder: Transform, pieces: readonly Buffer[]): Promise<string> {
  for (const piece of pieces) decoder.write(piece);
  decoder.end();
  return (await buffer(decoder)).toString("latin1");
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
  test(`quoted-printable: ${JSON.stringify(given)} means ${JSON.stringify(meant)}, however it comes`, async () => {
    assert.is(decodeQuotedPrintable(Buffer.from(given)).toString("latin1"), meant);
    for (let at = 0; at <= given.length; at++) {
      assert.is(await through(new QuotedPrintableDecoder(), cut(given, [at])), meant, `cut at ${at}`);
    }
  });
}

test("quoted-printable in pieces is the same as in one", async () => {
  const text = fc.string({ unit: fc.constantFrom("=", " ", "\t", "\r", "\n", "A", "4", "x"), maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(30), { maxLength: 4 }), async (given, places) => {
      const whole = decodeQuotedPrintable(Buffer.from(given)).toString("latin1");
      assert.is(await through(new QuotedPrintableDecoder(), cut(given, places)), whole);
    }),
  );
});

test("what would keep others busy for minutes is done in no time", async () => {
  const blanks = " ".repeat(2_000_000);
  for (const given of [`a${blanks}b`, `a=${blanks}b`, `a${"= ".repeat(1_000_000)}b`, "=".repeat(2_000_000)]) {
    const started = performance.now();
    decodeQuotedPrintable(Buffer.from(given));
    await through(
      new QuotedPrintableDecoder(),
      cut(
        given,
        Array.from({ length: 30 }, (_, index) => index * 65_536),
      ),
    );
    assert.ok(performance.now() - started < 2000);
  }
});

test("a line of blanks that is longer than anything stays as it is", async () => {
  const given = `a${" ".repeat(200_000)}b`;
  assert.is(await through(new QuotedPrintableDecoder(), cut(given, [65_536, 131_072])), given);
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
  test(`base64: ${JSON.stringify(given)} means ${JSON.stringify(meant)}, however it comes`, async () => {
    assert.is(decodeBase64(Buffer.from(given, "latin1")).toString("latin1"), meant);
    for (let at = 0; at <= given.length; at++) {
      assert.is(await through(new Base64Decoder(), cut(given, [at])), meant, `cut at ${at}`);
    }
  });
}

test("base64 of padding alone takes no more memory than its own size, a few times over", () => {
  const content = Buffer.from("a=".repeat(3_000_000));
  const before = process.memoryUsage().rss;
  assert.is(decodeBase64(content).length, 0);
  assert.ok(process.memoryUsage().rss - before < 150 * 2 ** 20);
});

test("base64 in pieces is what was encoded", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.nat(80), { maxLength: 4 }),
      async (bytes, places) => {
        const content = Buffer.from(bytes);
        const decoded = await through(new Base64Decoder(), cut(content.toString("base64"), places));
        assert.is(decoded, content.toString("latin1"));
      },
    ),
  );
});

test.run();
