/** Images in html, by their Content-ID. */
import { base64, blob, html, mailOf, mixed, multipart, part, text, type Case } from "./case.ts";

const pixel = blob(300, 7);

function image(id: string, filename: string, head: readonly string[] = []): Buffer {
  const own = [`Content-Type: image/png; name="${filename}"`, "Content-Transfer-Encoding: base64", `Content-ID: ${id}`];
  return part([...own, ...head], base64(pixel));
}

function shown(filename: string, cid: string) {
  return { filename, contentType: "image/png", content: pixel, cid };
}

/** Html with one image that it shows. */
function related(name: string, source: string, id: string, cid: string): Case {
  const page = `<p>Hello <img src=${source}></p>`;
  return {
    name: `an image shown ${name}`,
    raw: mailOf(multipart("related", "r", [html(page), image(id, "a.png")], { parameters: "; type=text/html" })),
    answer: 250,
    expect: { html: page, attachments: [shown("a.png", cid)] },
  };
}

export const inline: readonly Case[] = [
  related("as it should be", '"cid:logo@example.net"', "<logo@example.net>", "logo@example.net"),
  related("in single quotes", "'cid:logo@example.net'", "<logo@example.net>", "logo@example.net"),
  related("with its @ encoded", '"cid:logo%40example.net"', "<logo@example.net>", "logo@example.net"),
  related(
    "with signs in its id",
    '"cid:image001.png@01DC8A7E.5B3F9A20"',
    "<image001.png@01DC8A7E.5B3F9A20>",
    "image001.png@01DC8A7E.5B3F9A20",
  ),
  related(
    "with signs that are encoded",
    '"cid:a%2Bb%25c$d@example.net"',
    "<a+b%c$d@example.net>",
    "a+b%c$d@example.net",
  ),
  related("without brackets around its id", '"cid:logo"', "logo", "logo"),
  related("with blanks around its id", '"cid:logo"', "\r\n <logo>  ", "logo"),
  related("with CID in capitals", '"CID:logo"', "<logo>", "logo"),
  {
    name: "images of which the html shows one",
    raw: mailOf(
      multipart("related", "r", [
        multipart("alternative", "a", [text("Hello"), html('<img src="cid:one">')]),
        image("<one>", "one.png", ["Content-Disposition: inline; filename=one.png"]),
        image("<two>", "two.png", ["Content-Disposition: inline; filename=two.png"]),
        image("<one.more>", "three.png"),
      ]),
    ),
    answer: 250,
    expect: {
      text: "Hello",
      html: '<img src="cid:one">',
      attachments: [
        shown("one.png", "one"),
        { filename: "two.png", contentType: "image/png", content: pixel },
        { filename: "three.png", contentType: "image/png", content: pixel },
      ],
    },
  },
  {
    name: "an image shown from a mixed, said to be attached, and named after its id",
    raw: mixed(html('<img src="cid:a.png">'), image("<a.png>", "a.png", ["Content-Disposition: attachment"])),
    answer: 250,
    expect: { html: '<img src="cid:a.png">', attachments: [shown("a.png", "a.png")] },
  },
  {
    name: "an image shown twice, without a name",
    raw: mailOf(
      multipart("related", "r", [
        html('<img src="cid:x"><img src="cid:x">'),
        part(["Content-Type: image/gif", "Content-ID: <x>", "Content-Transfer-Encoding: base64"], base64(pixel)),
      ]),
    ),
    answer: 250,
    expect: { attachments: [{ filename: "attachment-1.gif", contentType: "image/gif", content: pixel, cid: "x" }] },
  },
  {
    name: "an image with an empty id, and html with an empty reference",
    raw: mailOf(multipart("related", "r", [html('<img src="cid:">'), image("<>", "a.png")])),
    answer: 250,
    expect: { html: '<img src="cid:">', attachments: [{ filename: "a.png", content: pixel }] },
  },
  {
    name: "an id in a text without html",
    raw: mixed(text("see cid:one"), image("<one>", "one.png")),
    answer: 250,
    expect: { text: "see cid:one", attachments: [{ filename: "one.png", content: pixel }] },
  },
  {
    name: "html that refers to an image that is not there",
    raw: mailOf(multipart("related", "r", [html('<img src="cid:gone"> <img src="cid:%zz">')])),
    answer: 250,
    expect: { html: '<img src="cid:gone"> <img src="cid:%zz">', attachments: [] },
  },
];
