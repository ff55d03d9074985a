import { test } from "uvu";
import * as assert from "uvu/assert";
import { big5, eucKr, gb18030, iso2022Jp, type Sample } from "../../../ops/e2e/smtp-corpus/samples.ts";
import { cut, found } from "./parse.fixture.ts";

const lines = (...all: string[]) => Buffer.from(all.map((line) => `${line}\r\n`).join(""));

const mixed = ["Content-Type: multipart/mixed; boundary=b", "", "--b"];
const alternative = ["Content-Type: multipart/alternative; boundary=outer-inner", "", "--outer-inner"];
const encodedText = ["Content-Transfer-Encoding: quoted-printable", "", "=E4=BD=A0=E5=A5=BD  ", "a=", "b"];
const encodedFile = ["Content-Type: a/b", "Content-Transfer-Encoding: base64", "", "QUJD", "REVG", "Rw=="];

const messages: [what: string, message: Buffer][] = [
  ["text alone", lines("Subject: x", "", "one", "", "--two", "--", "three")],
  [
    "parts in parts",
    Buffer.concat([
      lines("Content-Type: multipart/mixed; boundary=outer", "", "preamble", "--outer", ...alternative, ""),
      lines("text", "--outer-inner", "Content-Type: text/html", "", "<p>html", "", "--outer-inner--", ""),
      lines("--outer  ", "Content-Type: a/b", "", "--outer-", "--oute", "-", "file", "", "--outer--", "epilogue"),
    ]),
  ],
  [
    "parts that end before their heads, and before their parts",
    Buffer.concat([
      lines(...mixed, "Content-Type: a/b", "--b", "", "text", "--b", "Content-Type: multipart/mixed; boundary=c", ""),
      lines("--c", "Content-Type: c/d", "", "file", "--b--"),
    ]),
  ],
  ["base64 and quoted-printable", lines(...mixed, ...encodedText, "--b", ...encodedFile, "--b--")],
];
for (const [what, message] of messages) {
  test(`${what}: however it is cut, the same comes of it`, async () => {
    const whole = await found([message]);
    for (let bytes = 1; bytes < 100; bytes++) assert.equal(await found(cut(message, bytes)), whole, `${bytes} bytes`);
    for (let at = 0; at < message.length; at++) {
      assert.equal(await found([message.subarray(0, at), message.subarray(at)]), whole, `cut at ${at}`);
    }
  });
}

test("a part of no lines has nothing in it, and one of a line end has that", async () => {
  const [nothing, stillNothing] = [
    ["Content-Type: a/b", "", "--b"],
    ["Content-Type: c/d", "", "", "--b"],
  ];
  const { files } = await found([
    lines(...mixed, ...nothing, ...stillNothing, "Content-Type: e/f", "", "", "", "--b--"),
  ]);
  assert.equal(
    files.map(({ content }) => content),
    ["", "", "\r\n"],
  );
});

test("what comes after the end of a text that has a boundary is not lost without a word", async () => {
  const message = lines("Content-Type: text/plain; boundary=b", "", "text", "--b--", "more");
  assert.equal(await found([message]), { text: "text\n", html: undefined, files: [], isIncomplete: true });
});

const samples: [charset: string, sample: Sample][] = [
  ["gb18030", gb18030],
  ["big5", big5],
  ["euc-kr", eucKr],
  ["iso-2022-jp", iso2022Jp],
  ["utf-7", { text: "七樓病房 room 12", bytes: Buffer.from("+TgNqE3XFYj8- room 12") }],
  ["utf-16", { text: "圓山", bytes: Buffer.from("圓山", "utf16le") }],
  ["hospital-5", big5],
];
for (const [charset, { text, bytes }] of samples) {
  const lineEnd = charset === "utf-16" ? Buffer.from("\r\n", "utf16le") : Buffer.from("\r\n");
  const content = Buffer.concat(Array.from({ length: 100 }, () => [bytes, lineEnd]).flat());
  const head = lines(`Content-Type: text/plain; charset=${charset}`, "Content-Transfer-Encoding: base64", "");
  const message = Buffer.concat([head, Buffer.from(content.toString("base64").replaceAll(/.{76}/g, "$&\r\n"))]);
  test(`in ${charset}, however it is cut, a text is what it was`, async () => {
    for (const size of [150, 333, 1000, message.length]) {
      assert.is((await found(cut(message, size))).text, `${text}\n`.repeat(100), `${size} bytes`);
    }
  });
}

test("a text that goes on in other characters after its line end is read with them", async () => {
  const head = lines("Content-Type: text/plain; charset=iso-2022-jp", "");
  const body = lines("\u001b$B%[%F", "%kM=\u001b(B.");
  const { text = "" } = await found([head, body]);
  assert.match(text, /^ホテ.*ル予\.\n$/s);
  const end = body.indexOf("\n") + 1;
  assert.is((await found([head, body.subarray(0, end), body.subarray(end)])).text, text);
});

test.run();
