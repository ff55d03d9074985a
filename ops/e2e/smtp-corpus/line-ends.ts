/** Line ends of every kind, controls, and what looks like the end of a message but is none. */
import { base64, blob, crlf, file, join, lines, mail, mixed, part, text, type Bytes, type Case } from "./case.ts";

const image = { filename: "a.png", contentType: "image/png", content: blob(700) };
const both = { text: "Hello\n\nAnn", attachments: [image] };

/** A whole message with its line ends changed. */
function ended(name: string, end: string): Case {
  const raw = mixed(text("Hello", "", "Ann"), file("a.png", "image/png", image.content)).toString("latin1");
  return { name, raw: Buffer.from(raw.replaceAll(crlf, end), "latin1"), answer: 250, expect: both };
}

function body(name: string, content: Bytes, expected: string): Case {
  return { name, raw: mail([], content), answer: 250, expect: { text: expected, attachments: [] } };
}

const ends: readonly Case[] = [
  ended("line feeds only", "\n"),
  ended("CR CR LF at every end of a line", "\r\r\n"),
  ended("CR CR CR CR LF at every end of a line", "\r\r\r\r\n"),
  {
    name: "every other line ended by a line feed",
    raw: Buffer.from(
      mixed(text("Hello", "", "Ann"), file("a.png", "image/png", image.content))
        .toString("latin1")
        .replaceAll(/\r\n(.*)\r\n/g, "\n$1\r\n"),
      "latin1",
    ),
    answer: 250,
    expect: both,
  },
  // All of it is one header.
  {
    name: "carriage returns only",
    raw: join("X-Mailer: old\rFrom: ward7@example.net\rTo: ann@example.org\rSubject: Old\r\rHello\r"),
    answer: 250,
    expect: { from: { address: "sender@example.net" }, subject: "(no subject)", text: "", bcc: ["ann@example.org"] },
  },
  body("carriage returns inside of lines", "a\rb\r\nc \rd\n\r\n\re", "a b\nc  d\n\n e"),
  body("a carriage return at the very end", "Hello\r", "Hello"),
  body("a line feed at the very end", "Hello\n", "Hello"),
  body("line ends of Unicode", "a\u2028b\u2029c\u0085d\x0be\x0cf", "a\u2028b\u2029c\u0085d\x0be\x0cf"),
  body("NUL in a text", "a\0b\0\0\r\n\0c", "ab\nc"),
  body("blank lines first and last", "\r\n\r\nHello\r\n\r\n\r\n", "\n\nHello"),
  body("white space at ends of lines", "Hello  \t\r\n\t \r\n  Ann \r\n", "Hello  \t\n\t \n  Ann"),
  {
    name: "NUL in html and at a file's ends",
    raw: mixed(
      part(["Content-Type: text/html"], "<p>a\0b"),
      part(["Content-Type: application/x-nul; name=nul", "Content-Transfer-Encoding: 8bit"], "\0\0a\0"),
    ),
    answer: 250,
    expect: {
      html: "<p>ab",
      attachments: [{ filename: "nul", contentType: "application/x-nul", content: Buffer.from("\0\0a\0") }],
    },
  },
];

const long: readonly Case[] = [1000, 10_000, 65_536, 1_000_000].map((length) => ({
  name: `a line of ${length} characters`,
  raw: mixed(
    text("x".repeat(length), "病".repeat(length / 4)),
    part(["Content-Type: a/b; name=a"], "y".repeat(length)),
  ),
  answer: 250,
  expect: {
    text: `${"x".repeat(length)}\n${"病".repeat(length / 4)}`,
    attachments: [{ filename: "a", contentType: "a/b", content: Buffer.from("y".repeat(length)) }],
  },
}));

const lengths: readonly Case[] = [
  ...long,
  {
    name: "html in one line of 1,000,000 characters in base64",
    raw: mail(["Content-Type: text/html", "Content-Transfer-Encoding: base64"], base64(`<p>${"病房".repeat(333_333)}`)),
    answer: 250,
    expect: { html: `<p>${"病房".repeat(333_333)}` },
  },
  body("500,000 empty lines", join("a", crlf.repeat(500_000), "b"), `a${"\n".repeat(500_000)}b`),
  body("200,000 lines of one letter", join("a\r\n".repeat(200_000)), "a\n".repeat(200_000)),
];

const dotted = [".", "..", "...", ".a", "..a", "a.", " .", ".", ".\t", ". ", "", ".", "."];

const dots: readonly Case[] = [
  body("lines of dots", lines(...dotted), dotted.join("\n")),
  body("a dot only", ".", "."),
  body("two dots only", "..", ".."),
  body("10,000 lines that begin with a dot", ".x\r\n..\r\n".repeat(5000), ".x\n..\n".repeat(5000)),
  {
    name: "a message that begins with a dot",
    raw: join(".\r\n", mail([], ".", "Hello")),
    answer: 250,
    expect: { text: ".\nHello" },
  },
  {
    name: "a file of dots",
    raw: mixed(part(["Content-Type: text/csv; name=a.csv"], ...dotted, ""), text(".")),
    answer: 250,
    expect: { text: ".", attachments: [{ filename: "a.csv", content: join(lines(...dotted), crlf) }] },
  },
];

const smuggled = lines(
  "MAIL FROM:<evil@example.net>",
  "RCPT TO:<ann@example.org>",
  "DATA",
  "Subject: Smuggled",
  "",
  "Evil",
);

/** A message with another in its text, after what some servers take for its end. */
function hidden(name: string, end: string, shown: string): Case {
  const expected = `Hello${shown}${smuggled.toString().replaceAll(crlf, "\n")}`;
  return body(`a second message after ${name}`, join("Hello", end, smuggled), expected);
}

const smuggling: readonly Case[] = [
  hidden("LF, dot, LF", "\n.\n", "\n.\n"),
  hidden("LF, dot, CRLF", "\n.\r\n", "\n.\n"),
  hidden("CRLF, dot, LF", "\r\n.\n", "\n.\n"),
  hidden("CR, dot, CR", "\r.\r", " . "),
  hidden("CR, dot, CRLF", "\r.\r\n", " .\n"),
  hidden("CRLF, dot, CR", "\r\n.\r", "\n. "),
  hidden("CRLF, dot, CR CR LF", "\r\n.\r\r\n", "\n.\n"),
  hidden("CR CR LF, dot, CRLF", "\r\r\n.\r\n", "\n.\n"),
  hidden("CRLF, NUL, dot, CRLF", "\r\n\0.\r\n", "\n.\n"),
  hidden("CRLF, dot, NUL, CRLF", "\r\n.\0\r\n", "\n.\n"),
  hidden("CRLF, dot, CRLF that is stuffed", "\r\n.\r\n", "\n.\n"),
  body("commands of SMTP", lines("QUIT", "RSET", "DATA", ".", "QUIT"), "QUIT\nRSET\nDATA\n.\nQUIT"),
];

export const lineEnds: readonly Case[] = [...ends, ...lengths, ...dots, ...smuggling];
