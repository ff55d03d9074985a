import { test } from "uvu";
import * as assert from "uvu/assert";
import { Base64Decoder } from "./base64.ts";

interface Decoded {
  isValid: boolean;
  length: number;
  bytes: Buffer;
}

function decode(pieces: Iterable<string>): Decoded {
  const decoder = new Base64Decoder();
  const got: Buffer[] = [];
  for (const piece of pieces) got.push(Buffer.from(decoder.decode(Buffer.from(piece))));
  got.push(Buffer.from(decoder.end()));
  return { isValid: decoder.isValid, length: decoder.length, bytes: Buffer.concat(got) };
}

function* inPieces(text: string, size: number): Generator<string> {
  for (let start = 0; start < text.length; start += size) yield text.slice(start, start + size);
}

const bytes = Buffer.from(Array.from({ length: 259 }, (_, index) => index * 7));

test("bytes come back, whatever the length and wherever the text is cut", () => {
  for (const length of [0, 1, 2, 3, 4, 5, 6, 57, 256, 257, 258, 259]) {
    const content = bytes.subarray(0, length);
    const text = content.toString("base64");
    for (const form of [text, text.replaceAll(/.{8}/g, "$&\r\n"), `\n${text}\n`, [...text].join("\n")]) {
      for (const size of [1, 2, 3, 4, 5, 7, 64, 1000]) {
        const got = decode(inPieces(form, size));
        assert.ok(got.isValid, `${length} bytes in pieces of ${size}`);
        assert.ok(got.bytes.equals(content), `${length} bytes in pieces of ${size}`);
        assert.is(got.length, length);
      }
    }
  }
});

const faulty = [
  "aGk",
  "aG",
  "a",
  "a===",
  "====",
  "=",
  "=aGk",
  "aGk=aGk=",
  "aGk=====",
  "aG k=",
  "aGk=\t",
  "aGk-aGk=",
  "aGk_aGk=",
  "aGk=aGkk",
  "aGkk*Gkk",
  "aGkk\u00e9Gkk",
  "aGkk\0Gkk",
  "aGkkaGkk.",
];
for (const text of faulty) {
  test(`${JSON.stringify(text)} is no base64, wherever it is cut`, () => {
    for (let size = 1; size <= text.length; size++) {
      assert.not(decode(inPieces(text, size)).isValid, `in pieces of ${size}`);
      assert.not(decode(inPieces("QUFB".repeat(5) + text, size)).isValid, `after others in pieces of ${size}`);
      if (text.length % 4 === 0) assert.not(decode(inPieces(text + "QUFB", size)).isValid, `before others, ${size}`);
    }
  });
}

test("the length is told of what is no base64, too", () => {
  assert.is(decode(inPieces("*".repeat(400), 7)).length, 300);
  assert.is(decode(["A".repeat(8), "=="]).length, 5);
  assert.is(decode(["="]).length, 0);
});

test.run();
