/** Transfer encodings: base64, quoted-printable and others, as they come. */
import { base64, blob, join, lines, mail, mixed, part, quotedPrintable, text, type Bytes, type Case } from "./case.ts";

const content = blob(5000);
const padded = blob(4999);

/** A file in a message with a text before and after it, its encoded content as it stands. */
function sent(name: string, encoding: string, encoded: Bytes, expected?: Buffer): Case {
  const head = ["Content-Type: application/x-blob; name=blob", `Content-Transfer-Encoding: ${encoding}`];
  const attachments = expected && [{ filename: "blob", contentType: "application/x-blob", content: expected }];
  return {
    name,
    raw: mixed(text("Before"), part(head, encoded), text("After")),
    answer: 250,
    expect: { text: "Before\nAfter", ...(attachments && { attachments }) },
  };
}

const plain = Buffer.from("plain text\r\nof two lines");
const encodedText = base64("Hello 病房");

const base64s: readonly Case[] = [
  sent("base64 of 60-character lines", "base64", base64(content, 60), content),
  sent("base64 in one line of 1 MiB", "base64", base64(blob(786_432), 2 ** 21), blob(786_432)),
  sent("base64 in lines of one character", "base64", base64(content, 1), content),
  sent("base64 in lines of 77 characters", "base64", base64(content, 77), content),
  sent(
    "base64 with blanks, tabs and blank lines",
    "base64",
    base64(content).replaceAll(/.{13}/g, "$& \t\r\n\r\n"),
    content,
  ),
  sent("base64 with rubbish in it", "base64", base64(content).replaceAll(/.{19}/g, "$&!*-_.~\0"), content),
  sent("base64 with bytes of eight bits in it", "base64", base64(content).replaceAll("\r\n", "\u00a0\r\n"), content),
  sent("base64 without its padding", "base64", base64(padded).replaceAll("=", ""), padded),
  sent("base64 with too much padding", "base64", `${base64(padded)}=====`, padded),
  sent("base64 with padding in a line of its own", "base64", base64(padded).replace("=", "\r\n="), padded),
  sent(
    "base64 of pieces, each with its padding",
    "base64",
    [0, 1000, 2000].map(piece).join("\r\n"),
    content.subarray(0, 3000),
  ),
  sent("base64 with a character too many", "base64", `${base64(blob(3000))}\r\nQ`, blob(3000)),
  sent("base64 in bare line feeds", "base64", base64(content).replaceAll("\r\n", "\n"), content),
  // Decoders differ on what follows the padding.
  sent(
    "base64 with a mailing list's lines below it",
    "base64",
    lines(base64(padded), "", "-- ", "To unsubscribe, write"),
  ),
  sent("no base64 at all", "base64", "", Buffer.alloc(0)),
  sent("base64 of rubbish only", "base64", "!!!! ???? ####", Buffer.alloc(0)),
];

function piece(start: number): string {
  return base64(content.subarray(start, start + 1000));
}

const quoted: readonly Case[] = [
  sent("quoted-printable of every byte", "quoted-printable", quotedPrintable(content), content),
  sent("quoted-printable in lower case", "quoted-printable", quotedPrintable(content).toLowerCase(), lower()),
  sent("quoted-printable in one line", "quoted-printable", quotedPrintable(content).replaceAll("=\r\n", ""), content),
  sent(
    "quoted-printable with soft breaks after every byte",
    "quoted-printable",
    softly("a=00=0D=0A=ff"),
    hexed("61000d0aff"),
  ),
  sent("quoted-printable with blanks after soft breaks", "quoted-printable", "a= \t\r\nb=\t\r\nc", Buffer.from("abc")),
  sent(
    "quoted-printable with white space at ends of lines",
    "quoted-printable",
    "a \t \r\nb=20\r\nc\t",
    Buffer.from("a\r\nb \r\nc"),
  ),
  sent("quoted-printable that ends in a soft break", "quoted-printable", "the end=\r\n", Buffer.from("the end")),
  sent("quoted-printable that ends in an equals sign", "quoted-printable", "the end=", Buffer.from("the end")),
  sent(
    "quoted-printable with invalid escapes",
    "quoted-printable",
    "=XY = =4 =4G == =e4",
    join("=XY = =4 =4G == ", hexed("e4")),
  ),
  sent(
    "quoted-printable with bytes that should be escaped",
    "quoted-printable",
    join("\0", "病=e6=88=bf", hexed("80ff")),
    join("\0病房", hexed("80ff")),
  ),
  sent("quoted-printable in bare line feeds", "quoted-printable", "a=\nb\nc=0A=0D", Buffer.from("ab\r\nc\n\r")),
  sent("a million blanks in a line of quoted-printable", "quoted-printable", `a${" ".repeat(1_000_000)}b`, blanks()),
];

function lower(): Buffer {
  return Buffer.from(
    content.toString("latin1").replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
    "latin1",
  );
}

function softly(encoded: string): string {
  return encoded.replaceAll(/=[\da-fA-F]{2}|./g, "$&=\r\n");
}

function hexed(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

function blanks(): Buffer {
  return Buffer.from(`a${" ".repeat(1_000_000)}b`);
}

const others: readonly Case[] = [
  sent("an encoding in capitals", "BASE64", base64(content), content),
  sent("an encoding with a comment", "base64 (as they say)", base64(content), content),
  sent("an encoding with white space around", "  quoted-printable\t ", "=41=42", Buffer.from("AB")),
  sent("an encoding in a folded header", "\r\n base64", base64(content), content),
  sent("an encoding that nobody knows", "x-hospital", plain, plain),
  sent("an empty encoding", "", plain, plain),
  sent("8bit in capitals", "8BIT", "病房", Buffer.from("病房")),
  // Delivered undecoded.
  sent("an encoding with a semicolon", "base64;", encodedText, Buffer.from(encodedText, "base64")),
  sent("an encoding in quotes", '"base64"', encodedText, Buffer.from(encodedText, "base64")),
  sent(
    "two encodings, the first counts",
    "7bit\r\nContent-Transfer-Encoding: base64",
    encodedText,
    Buffer.from(encodedText),
  ),
  sent("uuencoded, and declared so", "x-uuencode", uuencoded(), uuencoded()),
  {
    name: "uuencoded in the text",
    raw: mail([], "See below.", "", uuencoded(), "", "Bye"),
    answer: 250,
    expect: { text: `See below.\n\n${uuencoded().toString().replaceAll("\r\n", "\n")}\n\nBye`, attachments: [] },
  },
  sent("every byte as it is, as binary", "binary", content, normalised(content)),
  sent("every byte as it is, as 7bit", "7bit", content, normalised(content)),
  sent("yEnc", "8bit", yenc(), normalised(yenc())),
  {
    name: "html in base64 with every kind of line end",
    raw: mail(
      ["Content-Type: text/html", "Content-Transfer-Encoding: base64"],
      base64("<p>a\r\n\rb\rc\n\nd\0e</p>\r\n"),
    ),
    answer: 250,
    expect: { html: "<p>a\n\nb\nc\n\nde</p>", attachments: [] },
  },
  {
    name: "text of format=flowed",
    raw: mail(
      ["Content-Type: text/plain; charset=utf-8; format=flowed"],
      "The ward on the ",
      "seventh floor is 開 ",
      "放.",
      " From here.",
      "-- ",
      "Ann",
    ),
    answer: 250,
    expect: { text: "The ward on the seventh floor is 開 放.\nFrom here.\n-- \nAnn" },
  },
];

function uuencoded(): Buffer {
  return lines("begin 644 cat.txt", "#0V%T", "`", "end");
}

/** Lines that are not ended by CRLF end by it once they are through. */
function normalised(bytes: Buffer): Buffer {
  const unified = bytes.toString("latin1").replaceAll(/\r*\n/g, "\n").replaceAll("\r", " ");
  return Buffer.from(unified.replaceAll("\n", "\r\n"), "latin1");
}

function yenc(): Buffer {
  const encoded = Buffer.from(content.map((byte) => byte + 42));
  return join("=ybegin line=128 size=5000 name=blob\r\n", encoded, "\r\n=yend size=5000");
}

export const encodings: readonly Case[] = [...base64s, ...quoted, ...others];
