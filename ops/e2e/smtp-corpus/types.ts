/** Content-Type and Content-Disposition: malformed, twice, and at odds with each other. */
import { html, mail, mixed, part, text, type Case, type Expected, type ExpectedFile } from "./case.ts";

/** A whole message of this type. */
function whole(name: string, contentType: string, body: string, expect: Expected): Case {
  return { name, raw: mail([`Content-Type:${contentType}`], body), answer: 250, expect };
}

/** A part with these headers, after a text. */
function after(name: string, head: readonly string[], expected: Partial<ExpectedFile> & { filename: string }): Case {
  const content = Buffer.from("content");
  return {
    name,
    raw: mixed(text("Hello"), part(head, content)),
    answer: 250,
    expect: { text: "Hello", attachments: [{ content, ...expected }] },
  };
}

/** A part with these headers that is text. */
function shown(name: string, ...head: readonly string[]): Case {
  return {
    name,
    raw: mixed(text("Hello"), part(head, "shown")),
    answer: 250,
    expect: { text: "Hello\nshown", html: "", attachments: [] },
  };
}

const hello = { text: "Hello", html: "", attachments: [] };
const page = { html: "<p>Hello", attachments: [] };

export const types: readonly Case[] = [
  whole("a type in capitals", " TEXT/HTML; CHARSET=UTF-8", "<p>Hello", page),
  whole("an empty type", "", "Hello", hello),
  whole("a type of parameters only", " ; charset=utf-8", "Hello", hello),
  whole("html without text", " text/html", "<p>Hello", { ...page, text: "" }),
  whole("html with an empty charset and name", ' text/html; charset=""; name=""', "<p>Hello", page),
  whole(
    "html as html, head and all",
    " text/html",
    "<!DOCTYPE html><html><head><title>A</title></head><body>B</body></html>",
    {
      html: "<!DOCTYPE html><html><head><title>A</title></head><body>B</body></html>",
    },
  ),
  whole("html with a script and no end", " text/html", "<p>Hello<script>alert(1)", {
    html: "<p>Hello<script>alert(1)",
  }),
  whole("a parameter with an open quote", ' text/plain; name="a; charset=utf-8', "Hello", hello),
  whole("a parameter with blanks around its equals sign", " text/plain; charset = utf-8", "病房", { text: "病房" }),
  whole("parameters without values", " text/plain; charset; =; ;format; =x", "Hello", hello),
  whole("a parameter twice", " text/html; charset=utf-8; charset=x-unknown", "<p>病房", { html: "<p>病房" }),
  {
    name: "a Content-Type twice, the first counts",
    raw: mail(["Content-Type: text/html; charset=utf-8", "Content-Type: text/html"], "<p>Hello"),
    answer: 250,
    expect: page,
  },
  {
    name: "Content-Types of text and of html",
    raw: mail(["Content-Type: text/plain", "Content-Type: text/html"], "Hello"),
    answer: 250,
    expect: hello,
  },
  // The parser knows no comments there, and makes a file of it; no byte is lost.
  {
    name: "a type with a comment",
    raw: mail(["Content-Type: text/plain (plain text); charset=utf-8"], "Hello"),
    answer: 250,
    expect: { subject: "A mail" },
  },
  {
    name: "a type without a subtype, as before MIME",
    raw: mail(["Content-Type: text"], "Hello"),
    answer: 250,
    expect: { subject: "A mail" },
  },
  shown("a part without headers"),
  shown("a part of text, inline", "Content-Disposition: inline"),
  shown("a part of text with a disposition in capitals", "Content-Type: Text/Plain", "Content-Disposition: INLINE"),
  shown("a part of text with an empty disposition", "Content-Disposition:"),
  shown("a part of text, inline and named", "Content-Type: text/plain", "Content-Disposition: inline; filename=a.txt"),
  after("a part of text with a disposition that nobody knows", ["Content-Disposition: form-data; name=x"], {
    filename: "attachment-1.txt",
  }),
  after("a part of text, attached without a name", ["Content-Type: text/plain", "Content-Disposition: attachment"], {
    filename: "attachment-1.txt",
    contentType: "text/plain",
  }),
  after("a part of html, attached", ["Content-Type: text/html", "Content-Disposition: attachment; filename=a.html"], {
    filename: "a.html",
    contentType: "text/html",
  }),
  after("a part of an empty type", ["Content-Type:"], { filename: "attachment-1" }),
  after("a part of a type without a subtype", ["Content-Type: text"], { filename: "attachment-1.txt" }),
  after("a part of a type with nothing after its slash", ["Content-Type: text/"], { filename: "attachment-1.txt" }),
  after("a part of a type with blanks in it", ["Content-Type: image / png; name=a.png"], { filename: "a.png" }),
  after("a part of a type of signs", ["Content-Type: <script>/../../; name=a"], { filename: "a" }),
  after("a part of a type of 10,000 characters", [`Content-Type: application/${"x".repeat(10_000)}; name=a`], {
    filename: "a",
  }),
  after("a part of rich text", ["Content-Type: text/enriched"], {
    filename: "attachment-1.txt",
    contentType: "text/enriched",
  }),
  after("a part of a type that only looks like a multipart", ["Content-Type: multipartx/mixed; boundary=c; name=a"], {
    filename: "a",
    contentType: "multipartx/mixed",
  }),
  after("a part of a type in an encoded word", ["Content-Type: =?utf-8?Q?image/png?=; name=a.png"], {
    filename: "a.png",
  }),
  after(
    "a type with parameters that only mean something here",
    [
      'Content-Type: text/csv; charset=big5; header=present; name="a.csv"; x-y="\\"z"',
      "Content-Disposition: attachment",
    ],
    { filename: "a.csv", contentType: "text/csv" },
  ),
  {
    name: "html and text, all of them attached",
    raw: mixed(
      part(["Content-Type: text/plain", "Content-Disposition: attachment; filename=a.txt"], "one"),
      part(["Content-Type: text/html", "Content-Disposition: attachment; filename=b.html"], "two"),
    ),
    answer: 250,
    expect: {
      text: "",
      html: "",
      attachments: [
        { filename: "a.txt", contentType: "text/plain", content: Buffer.from("one") },
        { filename: "b.html", contentType: "text/html", content: Buffer.from("two") },
      ],
    },
  },
  {
    name: "html, named and inline",
    raw: mixed(part(["Content-Type: text/html; name=page.html", "Content-Disposition: inline"], "<p>Hello")),
    answer: 250,
    expect: page,
  },
  {
    name: "html only, in a multipart",
    raw: mixed(html("<p>Hello")),
    answer: 250,
    expect: { text: "", ...page },
  },
];
