/** Attachments of every kind, and the company that a text keeps. */
import { base64, blob, file, html, join, lines, mailOf, mixed, multipart, part, text, type Case } from "./case.ts";
import { big5 } from "./samples.ts";

const pixel = blob(300, 7);
const invitation = lines(
  "BEGIN:VCALENDAR",
  "METHOD:REQUEST",
  "BEGIN:VEVENT",
  "SUMMARY:病房會議",
  "DTSTART:20260120T020000Z",
  "END:VEVENT",
  "END:VCALENDAR",
);
const fork = Buffer.from("00051607000200004d6163204f532058", "hex");

export const attachments: readonly Case[] = [
  {
    name: "an invitation next to text and html",
    raw: mailOf(
      multipart("alternative", "i", [
        text("Meeting"),
        html("<p>Meeting"),
        part(
          ["Content-Type: text/calendar; charset=utf-8; method=REQUEST", "Content-Transfer-Encoding: 8bit"],
          invitation,
        ),
      ]),
    ),
    answer: 250,
    expect: {
      text: "Meeting",
      html: "<p>Meeting",
      attachments: [{ filename: "attachment-1.ics", contentType: "text/calendar", content: invitation }],
    },
  },
  {
    name: "an invitation twice, as Google sends it",
    raw: mixed(
      multipart("alternative", "i", [
        text("Meeting"),
        part(
          ["Content-Type: text/calendar; charset=UTF-8; method=REQUEST", "Content-Transfer-Encoding: base64"],
          base64(invitation),
        ),
      ]),
      file("invite.ics", 'application/ics; name="invite.ics"', invitation),
    ),
    answer: 250,
    expect: {
      text: "Meeting",
      attachments: [
        { filename: "attachment-1.ics", contentType: "text/calendar", content: invitation },
        { filename: "invite.ics", contentType: "application/ics", content: invitation },
      ],
    },
  },
  {
    name: "an invitation that is the whole message",
    raw: mailOf(
      part(["Content-Type: text/calendar; method=CANCEL", "Content-Transfer-Encoding: base64"], base64(invitation)),
    ),
    answer: 250,
    expect: {
      text: "",
      attachments: [{ filename: "attachment-1.ics", contentType: "text/calendar", content: invitation }],
    },
  },
  {
    name: "html of AMP next to text and html",
    raw: mailOf(
      multipart("alternative", "a", [
        text("Hello"),
        part(["Content-Type: text/x-amp-html"], "<html ⚡4email>"),
        html("<p>Hello"),
      ]),
    ),
    answer: 250,
    expect: {
      text: "Hello",
      html: "<p>Hello",
      attachments: [
        { filename: "attachment-1.txt", contentType: "text/x-amp-html", content: Buffer.from("<html ⚡4email>") },
      ],
    },
  },
  {
    name: "a file of two forks, as old Macintoshes send it",
    raw: mixed(
      text("Hello"),
      multipart("appledouble", "mac", [
        part(['Content-Type: application/applefile; name="%a.png"', "Content-Transfer-Encoding: base64"], base64(fork)),
        file("a.png", "image/png", pixel),
      ]),
    ),
    answer: 250,
    expect: {
      text: "Hello",
      attachments: [
        { filename: "%a.png", contentType: "application/applefile", content: fork },
        { filename: "a.png", contentType: "image/png", content: pixel },
      ],
    },
  },
  {
    name: "files of no bytes",
    raw: mixed(
      text("Hello"),
      file("empty.pdf", "application/pdf", ""),
      part(
        [
          "Content-Type: text/csv; name=empty.csv",
          "Content-Disposition: attachment",
          "Content-Transfer-Encoding: 7bit",
        ],
        "",
      ),
    ),
    answer: 250,
    expect: {
      text: "Hello",
      attachments: [
        { filename: "empty.pdf", contentType: "application/pdf", content: Buffer.alloc(0) },
        { filename: "empty.csv", contentType: "text/csv", content: Buffer.alloc(0) },
      ],
    },
  },
  {
    name: "a file of no bytes, in 7bit, before another part",
    raw: mixed(part(["Content-Type: text/csv; name=empty.csv"], ""), text("Hello")),
    answer: 250,
    expect: {
      text: "Hello",
      attachments: [{ filename: "empty.csv", contentType: "text/csv", content: Buffer.alloc(0) }],
    },
  },
  {
    name: "a file of Big5 of an empty type",
    raw: mixed(text("Hello"), part(["Content-Type:"], big5.bytes)),
    answer: 250,
    expect: { text: "Hello", attachments: [{ filename: "attachment-1", content: big5.bytes }] },
  },
  {
    name: "a file that is the whole message",
    raw: mailOf(file("a.pdf", "application/pdf", pixel)),
    answer: 250,
    expect: {
      text: "",
      html: "",
      attachments: [{ filename: "a.pdf", contentType: "application/pdf", content: pixel }],
    },
  },
  {
    name: "a file of a type that its name does not have",
    raw: mixed(file("a.pdf", "application/octet-stream", pixel), file("b.exe", "image/png", pixel)),
    answer: 250,
    expect: {
      attachments: [
        { filename: "a.pdf", contentType: "application/octet-stream", content: pixel },
        { filename: "b.exe", contentType: "image/png", content: pixel },
      ],
    },
  },
  {
    name: "files in 8bit and binary, with and without a line end at their end",
    raw: mixed(
      part(["Content-Type: text/csv; name=a.csv", "Content-Transfer-Encoding: 8bit"], "姓名,房號", "許功蓋,712", ""),
      part(
        ["Content-Type: text/csv; name=b.csv", "Content-Transfer-Encoding: binary"],
        join("a\0b\n", "c\r\r\nd\re\n\n"),
      ),
    ),
    answer: 250,
    expect: {
      attachments: [
        { filename: "a.csv", contentType: "text/csv", content: Buffer.from("姓名,房號\r\n許功蓋,712\r\n") },
        { filename: "b.csv", contentType: "text/csv", content: Buffer.from("a\0b\r\nc\r\nd e\r\n\r\n") },
      ],
    },
  },
];
