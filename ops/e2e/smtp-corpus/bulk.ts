/** Very many parts, and parts very deep. */
import { base64, blob, crlf, file, join, mailOf, mixed, multipart, part, text, type Case } from "./case.ts";

function files(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    part(
      [`Content-Type: application/x-blob; name=${index}`, "Content-Transfer-Encoding: base64"],
      base64(content(index)),
    ),
  );
}

function content(index: number): Buffer {
  return blob(100 + (index % 50), index);
}

/** A part inside of so many multiparts, each with a text of its own and one after it. */
function deep(depth: number, innermost: Buffer): Buffer {
  let whole = innermost;
  for (let level = depth; level > 0; level--) whole = multipart("mixed", `level-${level}`, [text(`${level}`), whole]);
  return whole;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`);
const large = blob(6 * 2 ** 20);
const image = { filename: "a.png", contentType: "image/png", content: content(1) };
const innermost = part(
  ["Content-Type: image/png; name=a.png", "Content-Transfer-Encoding: base64"],
  base64(content(1)),
);

export const bulk: readonly Case[] = [
  ...[0, 1, 2, 3, 4, 11, 12, 13, 14].map(across),
  {
    name: "1,000 files",
    raw: mixed(...files(1000)),
    answer: 250,
    expect: {
      text: "",
      attachments: files(1000).map((_, index) => ({
        filename: `${index}`,
        contentType: "application/x-blob",
        content: content(index),
      })),
    },
  },
  {
    name: "1,500 texts",
    raw: mixed(...numbers(1500).map((number) => text(number))),
    answer: 250,
    expect: { text: numbers(1500).join("\n"), attachments: [] },
  },
  {
    name: "a file of 6 MiB",
    raw: mixed(text("Hello"), file("large.bin", "application/x-blob", large)),
    answer: 250,
    expect: {
      text: "Hello",
      attachments: [{ filename: "large.bin", contentType: "application/x-blob", content: large }],
    },
  },
  { name: "2,500 files", raw: mixed(...files(2500)), answer: 554 },
  { name: "2,500 parts without anything", raw: mixed(...Array<string>(2500).fill("")), answer: 554 },
  {
    name: "parts nested 50 deep",
    raw: mailOf(deep(50, innermost)),
    answer: 250,
    expect: { text: numbers(50).join("\n"), attachments: [image] },
  },
  {
    name: "parts nested 500 deep",
    raw: mailOf(deep(500, innermost)),
    answer: 250,
    expect: { text: numbers(500).join("\n"), attachments: [image] },
  },
  { name: "parts nested 2,500 deep", raw: mailOf(deep(2500, innermost)), answer: 554 },
  {
    name: "parts nested 500 deep, none of them closed",
    raw: mailOf(unclosed(500)),
    answer: 250,
    expect: { text: [...numbers(500), "innermost"].join("\n"), attachments: [] },
  },
];

/** Parsers read in pieces of 64 KiB: here one begins so many bytes after the end of a part. */
function across(shift: number): Case {
  const body = blob(60_000, shift).map((byte) => (byte === 0x0d || byte === 0x0a ? 0x20 : byte));
  const first = part(["Content-Type: application/x-blob; name=first", "Content-Transfer-Encoding: 8bit"], body, "", "");
  const whole = multipart("mixed", "=_across", [first, innermost, text("Hello")]);
  const padded = (padding: number) => mailOf(whole, [`X-Padding: ${"x".repeat(padding)}`]);
  const raw = padded(2 ** 16 - shift - padded(0).indexOf("\r\n--=_across", -whole.length + 60_000));
  const content = join(body, crlf, crlf);
  return {
    name: `a boundary ${shift} bytes before the end of 64 KiB`,
    raw,
    answer: 250,
    expect: { text: "Hello", attachments: [{ filename: "first", contentType: "application/x-blob", content }, image] },
  };
}

function unclosed(depth: number): Buffer {
  let whole = text("innermost");
  for (let level = depth; level > 0; level--) {
    whole = multipart("mixed", `level-${level}`, [text(`${level}`), whole], { open: true });
  }
  return whole;
}
