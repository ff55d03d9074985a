/** Messages in messages, which are never taken apart, and reports. */
import { base64, mail, mailOf, mixed, multipart, part, text, type Case } from "./case.ts";

const inner = mail(["Subject: Inner"], "The inner text.");
/** Of the same boundaries as what it will be in. */
const innerMixed = mailOf(
  multipart("mixed", "=_mixed", [text("Inner"), part(["Content-Type: image/png; name=a.png"], "png")], {
    epilogue: "end",
  }),
);

function forwarded(
  name: string,
  head: readonly string[],
  body: Buffer | string,
  filename: string,
  content = inner,
): Case {
  return {
    name: `a message ${name}`,
    raw: mixed(text("See below."), part(["Content-Type: message/rfc822", ...head], body)),
    answer: 250,
    expect: { text: "See below.", attachments: [{ filename, contentType: "message/rfc822", content }] },
  };
}

const forwards: readonly Case[] = [
  forwarded("forwarded", [], inner, "attachment-1.eml"),
  forwarded("forwarded, inline", ["Content-Disposition: inline"], inner, "attachment-1.eml"),
  forwarded("forwarded by name", ["Content-Disposition: attachment; filename=Inner.eml"], inner, "Inner.eml"),
  forwarded(
    "forwarded in 8bit",
    ["Content-Transfer-Encoding: 8bit", "Content-Disposition: inline"],
    inner,
    "attachment-1.eml",
  ),
  forwarded("forwarded in base64", ["Content-Transfer-Encoding: base64"], base64(inner), "attachment-1.eml"),
  forwarded(
    "forwarded in base64 with the boundaries of its outer one",
    ["Content-Transfer-Encoding: base64"],
    base64(innerMixed),
    "attachment-1.eml",
    innerMixed,
  ),
  forwarded("forwarded that is empty", ["Content-Transfer-Encoding: base64"], "", "attachment-1.eml", Buffer.alloc(0)),
  {
    name: "a message forwarded with parts of its own",
    raw: mailOf(
      multipart("mixed", "outer", [
        text("See below."),
        part(["Content-Type: message/rfc822"], innerMixed),
        part(["Content-Type: message/rfc822", "Content-Disposition: inline"], innerMixed),
      ]),
    ),
    answer: 250,
    expect: {
      text: "See below.",
      attachments: [1, 2].map((number) => ({ filename: `attachment-${number}.eml`, content: innerMixed })),
    },
  },
  {
    name: "a message in a message in a message",
    raw: mixed(part(["Content-Type: message/rfc822"], part(["Content-Type: message/rfc822"], inner))),
    answer: 250,
    expect: {
      attachments: [{ filename: "attachment-1.eml", content: part(["Content-Type: message/rfc822"], inner) }],
    },
  },
  {
    name: "a digest of messages",
    raw: mailOf(
      multipart("digest", "d", [
        part(["Content-Type: message/rfc822"], inner),
        part(["Content-Type: message/rfc822; name=b.eml"], inner),
      ]),
    ),
    answer: 250,
    expect: {
      text: "",
      attachments: [
        { filename: "attachment-1.eml", content: inner },
        { filename: "b.eml", content: inner },
      ],
    },
  },
  {
    name: "a digest that does not say that it is of messages",
    raw: mailOf(multipart("digest", "d", [part([], "Subject: A", "", "One"), part([], "Subject: B", "", "Two")])),
    answer: 250,
    expect: { text: "Subject: A\n\nOne\nSubject: B\n\nTwo", attachments: [] },
  },
  {
    name: "a third of a message",
    raw: mixed(part(["Content-Type: message/partial; id=a@b; number=2; total=3"], "the middle")),
    answer: 250,
    expect: {
      attachments: [{ filename: "attachment-1", contentType: "message/partial", content: Buffer.from("the middle") }],
    },
  },
  {
    name: "a message that is somewhere else",
    raw: mixed(
      part(
        ['Content-Type: message/external-body; access-type=URL; URL="ftp://example.net/a"'],
        "Content-Type: image/png",
      ),
    ),
    answer: 250,
    expect: {
      attachments: [
        {
          filename: "attachment-1",
          contentType: "message/external-body",
          content: Buffer.from("Content-Type: image/png"),
        },
      ],
    },
  },
];

const status = [
  "Reporting-MTA: dns; mail.example.net",
  "",
  "Final-Recipient: rfc822; nobody@example.com",
  "Action: failed",
  "Status: 5.1.1",
];

const reports: readonly Case[] = [
  {
    name: "a report of delivery from the null sender",
    raw: mailOf(
      multipart(
        "report",
        "report",
        [
          text("It could not be delivered."),
          part(["Content-Type: message/delivery-status"], ...status),
          part(["Content-Type: message/rfc822"], inner),
        ],
        { parameters: "; report-type=delivery-status" },
      ),
      ["From: Mail Delivery System <MAILER-DAEMON@example.net>", "Auto-Submitted: auto-replied"],
    ),
    from: "",
    answer: 250,
    expect: {
      from: { address: "MAILER-DAEMON@example.net", name: "Mail Delivery System" },
      text: ["It could not be delivered.", ...status].join("\n"),
      attachments: [{ filename: "attachment-1.eml", contentType: "message/rfc822", content: inner }],
    },
  },
  {
    name: "a report of delivery with the headers only",
    raw: mailOf(
      multipart("report", "report", [
        text("Failed."),
        part(["Content-Type: text/rfc822-headers"], "Subject: Inner", ""),
      ]),
    ),
    answer: 250,
    expect: {
      text: "Failed.",
      attachments: [
        {
          filename: "attachment-1.txt",
          contentType: "text/rfc822-headers",
          content: Buffer.from("Subject: Inner\r\n"),
        },
      ],
    },
  },
  {
    name: "a receipt of reading",
    raw: mailOf(
      multipart("report", "report", [
        text("It was read."),
        part(["Content-Type: message/disposition-notification"], "Disposition: manual-action; displayed"),
      ]),
    ),
    answer: 250,
    expect: {
      text: "It was read.",
      attachments: [
        {
          filename: "attachment-1",
          contentType: "message/disposition-notification",
          content: Buffer.from("Disposition: manual-action; displayed"),
        },
      ],
    },
  },
];

export const embedded: readonly Case[] = [...forwards, ...reports];
