/** Multiparts: their boundaries, what stands outside of them, and what is missing. */
import { base64, blob, crlf, file, html, join, lines, mail, mailOf, multipart, part, text, type Case } from "./case.ts";

const content = blob(1000);
const attached = { filename: "a.png", contentType: "image/png", content };
const image = file("a.png", "image/png", content);
const both = { text: "Hello", attachments: [attached] };

function bounded(name: string, boundary: string, contentType = `multipart/mixed; boundary="${boundary}"`): Case {
  const body = [`--${boundary}`, text("Hello"), `--${boundary}`, image, `--${boundary}--`, ""];
  return {
    name: `a boundary ${name}`,
    raw: mail([`Content-Type: ${contentType}`], ...body),
    answer: 250,
    expect: both,
  };
}

/** What nobody can tell all parts of: it is there as a whole, as a file. */
function untold(name: string, raw: Buffer, told = ""): Case {
  const whole = { filename: "message.eml", content: join(raw, crlf) };
  return { name, raw, answer: 250, expect: { text: told, html: "", attachments: [whole] } };
}

const boundaries: readonly Case[] = [
  bounded("of characters of regular expressions", ".*+?^$()|[a]"),
  bounded("of one character", "x"),
  bounded("of blanks within", "a b  c"),
  bounded("that ends in two dashes", "abc--"),
  bounded("of dashes only", "----"),
  bounded("of 70 characters", "b".repeat(70)),
  bounded("of 500 characters", "b".repeat(500)),
  bounded("with quotes in it", 'a"b', 'multipart/mixed; boundary="a\\"b"'),
  bounded("with a semicolon and an equals sign in it", "a;b=c"),
  bounded("in UTF-8", "病房"),
  bounded("without quotes", "----=_NextPart_000_0001", "multipart/mixed; boundary=----=_NextPart_000_0001"),
  bounded("in capitals, as all of its header", "AbC", 'MULTIPART/MIXED; BOUNDARY="AbC"; CHARSET=UTF-8'),
  bounded("in pieces (RFC 2231)", "one-two", 'multipart/mixed; boundary*0="one-"; boundary*1=two'),
  bounded("that is percent-encoded (RFC 2231)", "a b", "multipart/mixed; boundary*=us-ascii''a%20b"),
  bounded("folded away from its name", "fold", 'multipart/mixed;\r\n\tboundary=\r\n "fold"'),
  {
    name: "a boundary that begins another",
    raw: mailOf(
      multipart("mixed", "b", [
        multipart("alternative", "b2", [text("Hello", "--b3", "--b-", "--bb"), html("<p>Hello")]),
        image,
        multipart("mixed", "b22", [text("Bye", "--b2", "--b2--")]),
      ]),
    ),
    answer: 250,
    expect: { text: "Hello\n--b3\n--b-\n--bb\nBye\n--b2\n--b2--", attachments: [attached] },
  },
  {
    name: "the same boundary inside and outside",
    raw: mailOf(multipart("mixed", "b", [multipart("mixed", "b", [text("Hello")]), image])),
    answer: 250,
    expect: both,
  },
];

const outside: readonly Case[] = [
  {
    name: "a preamble and an epilogue with what looks like boundaries",
    raw: mailOf(
      multipart("mixed", "b", [text("Hello"), image], {
        preamble: lines("This is a message of parts.", "-- b", " --b", "--c", "b", "--b b", "--"),
        epilogue: lines("", "-- b", "--b", "Content-Type: text/plain", "", "not a part", "--b--", "--"),
      }),
    ),
    answer: 250,
    expect: both,
  },
  {
    name: "an epilogue of 100,000 lines",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), image], { epilogue: "--\r\n".repeat(100_000) })),
    answer: 250,
    expect: both,
  },
  {
    name: "a closing boundary before the first part",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), image], { preamble: "--b--" })),
    answer: 250,
    expect: both,
  },
  {
    name: "a multipart without parts",
    raw: mailOf(multipart("mixed", "b", [])),
    answer: 250,
    expect: { text: "", attachments: [] },
  },
  {
    name: "empty parts",
    raw: mailOf(multipart("mixed", "b", ["", crlf, text("Hello"), part(["Content-Type: text/html"]), image])),
    answer: 250,
    expect: { attachments: [attached] },
  },
];

const missing: readonly Case[] = [
  {
    name: "no closing boundary",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), image], { open: true })),
    answer: 250,
    expect: both,
  },
  {
    name: "a closing boundary without a line end",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), join(image, crlf, "--b--")], { open: true })).subarray(0, -2),
    answer: 250,
    expect: both,
  },
  {
    name: "an end inside of base64",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), image], { open: true }).subarray(0, -400)),
    answer: 250,
    expect: { text: "Hello" },
  },
  {
    name: "an end inside of a part's headers",
    raw: mailOf(
      multipart("mixed", "b", [text("Hello"), image, "Content-Type: text/html\r\nContent-Dis"], { open: true }),
    ),
    answer: 250,
    // And the whole message beside them, for what may have been in the part.
    expect: { text: "Hello" },
  },
  {
    name: "an end right after a boundary",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), image], { open: true, epilogue: "--b" })),
    answer: 250,
    expect: both,
  },
  {
    name: "a part without a line between headers and boundary, at the end",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), "Content-Type: image/png; name=a.png"])),
    answer: 250,
    expect: { text: "Hello", attachments: [{ filename: "a.png", contentType: "image/png", content: Buffer.alloc(0) }] },
  },
  {
    name: "a part without a line between headers and boundary, in the middle",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), "Content-Type: image/gif; name=b.gif", image])),
    answer: 250,
    expect: { text: "Hello", attachments: [{ filename: "b.gif", content: Buffer.alloc(0) }, attached] },
  },
  {
    name: "no closing boundary of an inner multipart",
    raw: mailOf(
      multipart("mixed", "out", [
        multipart("alternative", "in", [text("Hello"), html("<p>Hello")], { open: true }),
        image,
      ]),
    ),
    answer: 250,
    expect: { ...both, html: "<p>Hello" },
  },
  untold("a multipart that names no boundary", mail(["Content-Type: multipart/mixed"], "--b", text("Hello"), "--b--")),
  untold(
    "a multipart that names another boundary",
    mail(["Content-Type: multipart/mixed; boundary=c"], "--b", text("Hello"), "--b--"),
  ),
  untold(
    "a multipart with an empty boundary",
    mail(['Content-Type: multipart/mixed; boundary=""'], "--", text("Hello"), "----"),
  ),
  untold(
    "a multipart without a semicolon",
    mail(["Content-Type: multipart/mixed boundary=b"], "--b", text("Hello"), "--b--"),
  ),
  untold(
    "a text that has a boundary, and goes on after it",
    mail(["Content-Type: text/plain; boundary=b"], "Hello", "--b--", "It goes on."),
    "Hello",
  ),
  {
    name: "boundaries with blanks after them",
    raw: mail(["Content-Type: multipart/mixed; boundary=b"], "--b \t", text("Hello"), "--b   ", image, "--b-- "),
    answer: 250,
    expect: both,
  },
];

const nested: readonly Case[] = [
  {
    name: "an alternative in a related in a mixed, as Outlook writes it",
    raw: mailOf(
      multipart("mixed", "----=_NextPart_000_0001", [
        multipart(
          "related",
          "----=_NextPart_001_0002",
          [multipart("alternative", "----=_NextPart_002_0003", [text("Hello"), html("<p>Hello")]), image],
          { parameters: ';\r\n\ttype="multipart/alternative"' },
        ),
        file("b.pdf", "application/pdf", blob(500, 1)),
      ]),
      ["Thread-Index: Adxyz==", "X-MS-Has-Attach: yes"],
    ),
    answer: 250,
    expect: {
      text: "Hello",
      html: "<p>Hello",
      attachments: [attached, { filename: "b.pdf", contentType: "application/pdf", content: blob(500, 1) }],
    },
  },
  {
    name: "an attachment between two pieces of html, as Apple Mail writes it",
    raw: mailOf(
      multipart("alternative", "Apple-Mail=_A", [
        text("Hello, here it is. Bye"),
        multipart("mixed", "Apple-Mail=_B", [html("<p>Hello, here it is."), image, html("<p>Bye")]),
      ]),
    ),
    answer: 250,
    expect: { text: "Hello, here it is. Bye", attachments: [attached] },
  },
  {
    name: "text, an attachment and text",
    raw: mailOf(multipart("mixed", "b", [text("Before"), image, text("After")])),
    answer: 250,
    expect: { text: "Before\nAfter", attachments: [attached] },
  },
  {
    name: "text and html side by side",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), html("<p>Hello")])),
    answer: 250,
    expect: { text: "Hello", attachments: [] },
  },
  {
    name: "an alternative that is wrongly said to be base64",
    raw: mailOf(multipart("alternative", "b", [text("Hello"), html("<p>Hello")]), [
      "Content-Transfer-Encoding: BASE64",
    ]),
    answer: 250,
    expect: { text: "Hello", html: "<p>Hello", attachments: [] },
  },
  {
    name: "an alternative with the html first",
    raw: mailOf(multipart("alternative", "b", [html("<p>Hello"), text("Hello")])),
    answer: 250,
    expect: { text: "Hello", html: "<p>Hello", attachments: [] },
  },
  {
    name: "a kind of multipart that nobody knows",
    raw: mailOf(multipart("x-hospital", "b", [text("Hello"), image])),
    answer: 250,
    expect: both,
  },
  {
    name: "parts with bodies of boundary lines in base64",
    raw: mailOf(
      multipart("mixed", "b", [part(["Content-Transfer-Encoding: base64"], base64("Hello\r\n--b--\r\n--b")), image]),
    ),
    answer: 250,
    expect: { text: "Hello\n--b--\n--b", attachments: [attached] },
  },
];

export const structure: readonly Case[] = [...boundaries, ...outside, ...missing, ...nested];
