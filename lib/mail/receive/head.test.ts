import { test } from "uvu";
import * as assert from "uvu/assert";
import { endHead } from "./head.ts";

const lines = (...all: string[]) => all.map((line) => `${line}\r\n`).join("");

const cases: [what: string, given: string, made: string][] = [
  ["a head with its end", lines("Subject: x", "", "text"), lines("Subject: x", "", "text")],
  ["a head alone", lines("Subject: x"), lines("Subject: x")],
  [
    "a text after the head without an empty line",
    lines("Subject: x", "text", "more"),
    lines("Subject: x", "", "text", "more"),
  ],
  ["a text alone", lines("text", "more"), lines("", "text", "more")],
  ["a text after an empty line", lines("", "text"), lines("", "text")],
  ["folded lines", lines("Subject: x", "\ty", "", "text"), lines("Subject: x", "\ty", "", "text")],
  ["blanks that were to be the empty line", lines("Subject: x", "  ", "text"), lines("Subject: x", "  ", "", "text")],
  [
    "folded blanks among headers",
    lines("Subject: x", " ", "\t", "To: y", "", "t"),
    lines("Subject: x", " ", "\t", "To: y", "", "t"),
  ],
  [
    "rubbish among headers",
    lines("Subject: x", "rubbish", "To: y", "", "t"),
    lines("Subject: x", "rubbish", "To: y", "", "t"),
  ],
  [
    "a sentence with a colon",
    lines("Subject: x", "Please note: it rains"),
    lines("Subject: x", "", "Please note: it rains"),
  ],
  [
    "the line that mailboxes put first",
    lines("From a@b.c Thu", "To: y", "", "t"),
    lines("From a@b.c Thu", "To: y", "", "t"),
  ],
  ["a From that looks like that line", lines("From : a@b.c", "", "t"), lines("From: a@b.c", "", "t")],
  ["a byte order mark", `\u00ef\u00bb\u00bf${lines("To: y", "", "t")}`, lines("To: y", "", "t")],
  ["nothing", "", ""],
];
for (const [what, given, made] of cases) {
  test(what, () => assert.is(endHead(Buffer.from(given, "latin1")).toString("latin1"), made));
}

test("what needs nothing is not copied", () => {
  const start = Buffer.from(lines("Subject: x", "", "text"));
  assert.is(endHead(start), start);
});

test.run();
