/** Header sections: too little, too much, and what is no header at all. */
import { crlf, join, mail, mailOf, multipart, part, text, type Case } from "./case.ts";

const sender = { address: "sender@example.net" };
const kibibyte = 1024;

/** Headers that nobody knows, of about 50 bytes each. */
function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `X-Trace-${index}: ${"0123456789".repeat(3)}`);
}

const missing: readonly Case[] = [
  {
    name: "nothing at all",
    raw: Buffer.alloc(0),
    answer: 250,
    expect: { from: sender, subject: "(no subject)", text: "", html: "", attachments: [], bcc: ["ann@example.org"] },
  },
  {
    name: "nothing but blank lines",
    raw: join(crlf.repeat(5)),
    answer: 250,
    expect: { from: sender, subject: "(no subject)", text: "", attachments: [] },
  },
  {
    name: "headers only, and no blank line after them",
    raw: join("From: Ward 7 <ward7@example.net>\r\nTo: ann@example.org\r\nSubject: Headers only"),
    answer: 250,
    expect: { from: { address: "ward7@example.net", name: "Ward 7" }, subject: "Headers only", text: "" },
  },
  {
    name: "headers only, with the blank line",
    raw: mail([]),
    answer: 250,
    expect: { subject: "A mail", text: "", html: "", attachments: [] },
  },
  {
    name: "a body only, after a blank line",
    raw: join("\r\nRoom 12 is free.\r\n\r\nHousekeeping"),
    answer: 250,
    expect: { from: sender, subject: "(no subject)", text: "Room 12 is free.\n\nHousekeeping" },
  },
  // All of it is read as headers, as a text would be lost: none is expected.
  {
    name: "a body only, and no blank line anywhere",
    raw: join("Room 12 is free.\r\nPlease tell the guest.\r\n"),
    answer: 250,
    expect: { from: sender, subject: "(no subject)", attachments: [] },
  },
  // The first paragraph is read as headers.
  {
    name: "no blank line between headers and body",
    raw: join("From: sender@example.net\r\nSubject: No gap\r\nDear Ann,\r\nplease come.\r\n\r\nYours"),
    answer: 250,
    expect: { from: sender, subject: "No gap", attachments: [] },
  },
  // A line of blanks continues the header before it; the body's first paragraph is read as headers.
  {
    name: "a line of blanks between headers and body",
    raw: join("From: sender@example.net\r\nSubject: Blank\r\n   \r\nDear Ann\r\n\r\nYours"),
    answer: 250,
    expect: { from: sender, subject: "Blank", attachments: [] },
  },
  {
    name: "no Subject",
    raw: part(["From: sender@example.net", "To: ann@example.org"], "Hello"),
    answer: 250,
    expect: { subject: "(no subject)", text: "Hello", to: ["ann@example.org"] },
  },
];

const large: readonly Case[] = [
  { name: "a header line of 1 MiB", raw: mail([`X-Large: ${"x".repeat(kibibyte ** 2)}`], "Hello"), answer: 554 },
  { name: "headers of 1 MiB in all, in 21,000 lines", raw: mail(many(21_000), "Hello"), answer: 554 },
  {
    name: "a folded header of 1 MiB",
    raw: mail([`X-Large: x${`${crlf} ${"x".repeat(70)}`.repeat(15_000)}`], "Hello"),
    answer: 554,
  },
  {
    name: "a part with headers of 1 MiB",
    raw: mailOf(multipart("mixed", "b", [text("Hello"), part([`X-Large: ${"x".repeat(kibibyte ** 2)}`], "more")])),
    answer: 554,
  },
  {
    name: "4,000 headers",
    raw: mail(many(4000), "Hello"),
    answer: 250,
    expect: { subject: "A mail", text: "Hello", to: ["ann@example.org"] },
  },
  {
    name: "a header line of 200 KiB",
    raw: mail([`X-Large: ${"x".repeat(200 * kibibyte)}`], "Hello"),
    answer: 250,
    expect: { subject: "A mail", text: "Hello" },
  },
  {
    name: "a Subject of 200 KiB, cut to what a line of mail holds",
    raw: mail([`Subject: ${"0123456789".repeat(20 * kibibyte)}`], "Hello"),
    answer: 250,
    expect: { subject: "0123456789".repeat(100).slice(0, 998), text: "Hello" },
  },
  {
    name: "a Subject folded 20,000 times",
    raw: mail([`Subject: a${`${crlf}\tb`.repeat(20_000)}`], "Hello"),
    answer: 250,
    expect: { subject: `a${" b".repeat(498)} `.slice(0, 998).trimEnd(), text: "Hello" },
  },
  {
    name: "a Content-Type of 10,000 parameters",
    raw: mail([`Content-Type: text/plain; charset=utf-8${"; x=y".repeat(10_000)}`], "Hello 病房"),
    answer: 250,
    expect: { text: "Hello 病房", attachments: [] },
  },
  {
    name: "a name of a header of 10,000 characters",
    raw: mail([`X-${"Name".repeat(2500)}: value`, ": no name", "="], "Hello"),
    answer: 250,
    // Behind the last header begins what people are to read.
    expect: { subject: "A mail", text: ": no name\n=\n\nHello" },
  },
];

const odd: readonly Case[] = [
  {
    name: "headers folded by tabs, by blanks and over blank lines",
    raw: mail(
      ["X-Folded: a\r\n\t\r\n \r\n\t\tb", "Subject: The ward\r\n\tis open\r\n again\r\n \r\n\t", "X-Last: \r\n x"],
      "Hello",
    ),
    answer: 250,
    expect: { subject: "The ward is open again", text: "Hello" },
  },
  {
    name: "no blank after the colon, names in all cases, a blank before the colon",
    raw: part(["FROM:sender@example.net", "tO:ann@example.org", "subject : Odd case"], "Hello"),
    answer: 250,
    expect: { from: sender, subject: "Odd case", text: "Hello", to: ["ann@example.org"] },
  },
  {
    name: "header names that are properties of every object",
    raw: mail(
      [
        "__proto__: polluted",
        "constructor: polluted",
        "toString: polluted",
        "hasOwnProperty: polluted",
        "List-__proto__: <mailto:polluted@example.net>",
        "Content-Type: text/plain; __proto__=polluted; constructor=polluted; charset=utf-8",
      ],
      "Hello",
    ),
    answer: 250,
    expect: { subject: "A mail", text: "Hello", attachments: [] },
  },
  {
    name: "lines among the headers that are none",
    raw: mail(["This is no header", "Neither is this one", "X-Good: yes", "{}"], "Hello"),
    answer: 250,
    expect: { subject: "A mail", text: "{}\n\nHello" },
  },
  {
    name: "the From line of a mailbox file first",
    raw: join("From sender@example.net Tue Jan 20 10:00:00 2026\r\n", mail([], "Hello")),
    answer: 250,
    expect: { from: { address: "sender@example.net", name: "Sender" }, subject: "A mail", text: "Hello" },
  },
  {
    name: "a From with a blank before its colon first",
    raw: part(["From : ward7@example.net", "To: ann@example.org", "Subject: Blank"], "Hello"),
    answer: 250,
    expect: { from: { address: "ward7@example.net" }, subject: "Blank", text: "Hello", to: ["ann@example.org"] },
  },
  {
    name: "the line of an HTTP request first",
    raw: join("POST /mail HTTP/1.1\r\n", mail([], "Hello")),
    answer: 250,
    expect: { subject: "A mail", text: "Hello" },
  },
  // The mark becomes a part of the first header's name.
  {
    name: "the byte order mark of UTF-8 before the headers",
    raw: join("\uFEFF", mail([], "Hello")),
    answer: 250,
    expect: { subject: "A mail", text: "Hello", to: ["ann@example.org"] },
  },
  {
    name: "dates, ids, priorities and lists that mean nothing",
    raw: mail(
      [
        "Date: the day after tomorrow",
        "Message-ID: no id at all",
        "In-Reply-To: ",
        "References: <a> b c >d< <<e>>",
        "X-Priority: urgent!!!",
        "List-Unsubscribe: <<<>>>,,;;",
        "DKIM-Signature: v=1; a=; b=====; =; ;;",
        "Received: from [127.0.0.1] (((",
        "Return-Path: <>",
      ],
      "Hello",
    ),
    answer: 250,
    expect: { subject: "A mail", text: "Hello", to: ["ann@example.org"] },
  },
  {
    name: "the same Subject, Date and To twice",
    raw: mail(["Subject: Twice", "Subject: Twice", "Date: a", "Date: b", "To: ann@example.org", "To: bob@example.org"]),
    to: ["ann@example.org", "bob@example.org"],
    answer: 250,
    expect: { subject: "Twice", to: ["ann@example.org", "bob@example.org"] },
  },
  {
    name: "NUL and other controls in headers",
    raw: mail(["Subject: Room\0 12\x01\x02\x1b[31m free\x7f", "X-Nul: a\0b", "X\0Nul: c"], "Hello"),
    answer: 250,
    expect: { subject: "Room 12 [31m free", text: "Hello" },
  },
];

export const headers: readonly Case[] = [...missing, ...large, ...odd];
