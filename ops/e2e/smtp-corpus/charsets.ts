/** Bodies in the charset that they name, in another, or in none. */
import { base64, join, mail, mailOf, multipart, part, quotedPrintable, text, type Bytes, type Case } from "./case.ts";
import {
  big5,
  big5Subject,
  emoji,
  eucJp,
  eucKr,
  gb18030,
  gbk,
  iso2022Jp,
  koi8,
  shiftJis,
  windows1252,
  type Sample,
} from "./samples.ts";

function body(name: string, contentType: string, content: Bytes, expected?: string): Case {
  return {
    name: `a body in ${name}`,
    raw: mail([`Content-Type: ${contentType}`, "Content-Transfer-Encoding: 8bit"], content),
    answer: 250,
    expect: { attachments: [], ...(expected !== undefined && { text: expected }) },
  };
}

/** As it is, and as html in quoted-printable. */
function declared(charset: string, { text: expected, bytes }: Sample): readonly Case[] {
  const page = part(
    [`Content-Type: text/html; charset="${charset}"`, "Content-Transfer-Encoding: quoted-printable"],
    quotedPrintable(join("<p>", bytes, "</p>")),
  );
  return [
    body(charset, `text/plain; charset=${charset}`, bytes, expected),
    { name: `html in ${charset}`, raw: mailOf(page), answer: 250, expect: { html: `<p>${expected}</p>` } },
  ];
}

const utf16 = Buffer.from(`\uFEFF${emoji}\r\n七樓`, "utf16le");

/** Sixteen bits the other way round. */
function bigEndian(littleEndian: Buffer): Buffer {
  return Buffer.from(littleEndian).swap16();
}

function encoded(name: string, charset: string, content: Bytes, expected?: string): Case {
  const head = [`Content-Type: text/plain; charset=${charset}`, "Content-Transfer-Encoding: base64"];
  const expect = { attachments: [], ...(expected !== undefined && { text: expected }) };
  return { name, raw: mail(head, base64(content)), answer: 250, expect };
}

const named: readonly Case[] = [
  ...declared("Big5", big5),
  ...declared("GB18030", gb18030),
  ...declared("gbk", gbk),
  ...declared("gb2312", gbk),
  ...declared("ISO-2022-JP", iso2022Jp),
  ...declared("Shift_JIS", shiftJis),
  ...declared("EUC-JP", eucJp),
  ...declared("euc-kr", eucKr),
  ...declared("ks_c_5601-1987", eucKr),
  ...declared("windows-1252", windows1252),
  ...declared("KOI8-R", koi8),
  body("Big5 by its names of old", "text/plain; charset=x-x-big5", big5.bytes, big5.text),
  body("UTF-7", "text/plain; charset=utf-7", "+TgNqE3XFYj8- room 12", "七樓病房 room 12"),
  encoded("UTF-16 with a mark, little end first", "utf-16", utf16, `${emoji}\n七樓`),
  encoded("UTF-16 with a mark, big end first", "UTF-16", bigEndian(utf16), `${emoji}\n七樓`),
  encoded("UTF-16BE without a mark", "utf-16be", bigEndian(utf16.subarray(2)), `${emoji}\n七樓`),
  encoded(
    "UTF-16 with half of a surrogate pair",
    "utf-16le",
    Buffer.from("4100 3dd8 4200".replaceAll(" ", ""), "hex"),
    "A\uFFFDB",
  ),
];

const unnamed: readonly Case[] = [
  body("Big5 that names no charset", "text/plain", big5.bytes, big5.text),
  body("Big5 that says it is ASCII", "text/plain; charset=us-ascii", big5.bytes, big5.text),
  body("Big5 that says it is UTF-8", "text/plain; charset=UTF-8", big5.bytes, big5.text),
  body("Big5 that says it is of a charset that nobody knows", "text/plain; charset=hospital-5", big5.bytes, big5.text),
  body("UTF-8 that names no charset", "text/plain", "七樓病房", "七樓病房"),
  body("UTF-8 that says it is ASCII", "text/plain; charset=us-ascii", emoji, emoji),
  body("UTF-8 of a charset that nobody knows", "text/plain; charset=x-unknown", "七樓病房", "七樓病房"),
  body("UTF-8 with an empty charset", 'text/plain; charset=""', "七樓病房", "七樓病房"),
  body("UTF-8 with its charset in single quotes", "text/plain; charset='utf-8'", "七樓病房", "七樓病房"),
  body("UTF-8 with its charset in quotes, in capitals", 'text/plain; CHARSET="UTF8"', "七樓病房", "七樓病房"),
  body("UTF-8 with a comment at its charset", "text/plain; charset=us-ascii (Plain text)", "七樓病房", "七樓病房"),
  body("UTF-8 with too many semicolons", "text/plain;; ;charset=utf-8;", "七樓病房", "七樓病房"),
  body("UTF-8 with a byte order mark", "text/plain; charset=utf-8", "\uFEFF七樓病房", "\uFEFF七樓病房"),
  // Read as Big5, which it is not either: something, but nothing that could be expected.
  body("neither UTF-8 nor Big5", "text/plain; charset=utf-8", Buffer.from([0x41, 0xff, 0xfe, 0x80, 0xc0, 0xed, 0xa0])),
  body("UTF-8 that says it is Big5", "text/plain; charset=big5", "七樓病房"),
  {
    name: "Big5 without any header of MIME, Subject and all",
    raw: part(
      ["From: sender@example.net", "To: ann@example.org", join("Subject: ", big5Subject.bytes)],
      big5.bytes,
      "",
      big5Subject.bytes,
    ),
    answer: 250,
    expect: { subject: big5Subject.text, text: `${big5.text}\n\n${big5Subject.text}` },
  },
  {
    name: "parts in four charsets, some of them named wrongly",
    raw: mailOf(
      multipart("mixed", "charsets", [
        part(["Content-Type: text/plain; charset=utf-8"], big5.bytes),
        part(["Content-Type: text/plain; charset=gb18030"], gb18030.bytes),
        part(["Content-Type: text/plain"], emoji),
        part(["Content-Type: text/plain; charset=shift_jis"], shiftJis.bytes),
      ]),
    ),
    answer: 250,
    expect: { text: [big5, gb18030, { text: emoji }, shiftJis].map((sample) => sample.text).join("\n") },
  },
  {
    name: "Big5 in lines of quoted-printable that end inside a character",
    raw: mail(
      ["Content-Type: text/plain", "Content-Transfer-Encoding: quoted-printable"],
      quotedPrintable(big5.bytes).replaceAll(/=(..)/g, "=$1=\r\n"),
    ),
    answer: 250,
    expect: { text: big5.text },
  },
  {
    name: "UTF-8 of 200,000 characters in base64 of odd lines",
    raw: mail(
      ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"],
      base64("病房🏥".repeat(50_000), 61),
    ),
    answer: 250,
    expect: { text: "病房🏥".repeat(50_000) },
  },
  {
    name: "text of which Big5 is only a name in the middle",
    raw: mailOf(text("Guest: ", big5.bytes, "Room 12")),
    answer: 250,
    expect: { text: `Guest: \n${big5.text}\nRoom 12` },
  },
];

export const charsets: readonly Case[] = [...named, ...unnamed];
