import { createHash } from "node:crypto";
import { join, win32 } from "node:path";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../ops/harness/test.ts";
import type { Detail } from "../../runtime/problem.ts";
import { Problem } from "../../runtime/problem.ts";
import { openAttachments } from "../resources/attachments.ts";
import {
  checkAttachments,
  safeName,
  storedNames,
  type DraftAttachment,
  type LargeContent,
} from "./draft-attachment.ts";

const names: [given: string, stored: string][] = [
  ["report.pdf", "report.pdf"],
  ["報價單 2026.pdf", "報價單 2026.pdf"],
  ["../../etc/passwd", "__.._etc_passwd"],
  ["..\\..\\boot.ini", "__.._boot.ini"],
  ["/etc/passwd", "_etc_passwd"],
  ["C:\\temp\\x.txt", "C__temp_x.txt"],
  ["..", "_"],
  [".", "_"],
  ["...", "_"],
  [".htaccess", "_htaccess"],
  ["  spaced  ", "_spaced"],
  ["dots...", "dots"],
  ["a:stream", "a_stream"],
  ['<a>|"b"?*.txt', "_a___b___.txt"],
  ["nul", "_nul"],
  ["CON.txt", "_CON.txt"],
  ["com1.tar.gz", "_com1.tar.gz"],
  ["console.log", "console.log"],
  ["gpj\u202eexe.jpg", "gpj_exe.jpg"],
  ["a\u200bb", "a_b"],
  ["e\u0301.txt", "é.txt"],
];
for (const [given, stored] of names) {
  test(`${JSON.stringify(given)} is stored as ${stored}`, () => assert.is(safeName(given), stored));
}

test("a long name keeps its extension and at most 150 bytes, cut between characters", () => {
  for (const letter of ["x", "é", "王", "😀"]) {
    const name = safeName(`${letter.repeat(120)}.pdf`);
    assert.ok(Buffer.byteLength(name) <= 150);
    assert.ok(Buffer.byteLength(name) > 140 || letter === "x");
    assert.match(name, /\.pdf$/);
    assert.ok(name.isWellFormed());
  }
  assert.is(safeName("a".repeat(255)).length, 150);
  assert.is(safeName(`a.${"b".repeat(200)}`).length, 150, "what is as long as that is no extension");
});

/** Names as they are made up to end somewhere else, and any others. */
const anyName = fc.oneof(
  fc
    .tuple(fc.integer({ min: 140, max: 155 }), fc.constantFrom(". .", " . b", ".", "王"), fc.constantFrom("", ".pdf"))
    .map(([length, cut, end]) => "a".repeat(length) + cut.repeat(4) + "b".repeat(20) + end),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        ..."/ \\ . .. : ~ nul CON com1 lpt9 .txt .PDF a 王 😀 - _ ? * %2e %00 con.tar .. ".split(" "),
        " ",
        "\0",
        "\r\n",
        "\u202e",
        "\u200b",
        "\ud83d",
        "e\u0301",
        "\uff0f",
        "\u2024",
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("")),
);
const runs = { seed: 20_260_120, numRuns: 3000 };

test("whatever a file is called, it is stored under one safe name, in the folder of its mail", () => {
  fc.assert(
    fc.property(anyName, (given) => {
      const name = safeName(given);
      assert.is(join("/mails/1", name), `/mails/1/${name}`);
      assert.is(win32.basename(name), name);
      assert.ok(name !== "" && Buffer.byteLength(name) <= 151, name);
      assert.not.match(name, /^\.|[. ]$|[\p{Cc}<>:"/\\|?*]/u);
      assert.not.match(name, /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i);
      assert.is(safeName(name), name, "a safe name stays as it is");
    }),
    runs,
  );
});

test("the files of one mail have names of their own, also where case does not count", () => {
  fc.assert(
    fc.property(fc.array(anyName, { maxLength: 20 }), (given) => {
      const names = storedNames();
      const taken = given.flatMap((name) => [names.take(name), names.take(name.toUpperCase())]);
      assert.is(new Set(taken.map((name) => name.toLowerCase())).size, taken.length);
      for (const name of taken) assert.is(join("/mails/1", name), `/mails/1/${name}`);
    }),
    { ...runs, numRuns: 500 },
  );
});

type Given = { filename: string; content: string; content_type?: string };
const file = (given: Partial<Given> = {}): Given => ({ filename: "a.txt", content: "aGk=", ...given });

function check(given: Given[], maxBytes = 1024, large?: LargeContent) {
  const faults: Detail[] = [];
  const drafts = checkAttachments(given, maxBytes, faults, large);
  return { drafts, faults: faults.map(({ field, message }) => `${field} ${message}`) };
}

/** What a draft has in memory. */
function bytesOf(draft: DraftAttachment | undefined): Buffer {
  const source = draft?.content.source;
  if (!Buffer.isBuffer(source)) throw new Error(`${String(source)} is not in memory`);
  return source;
}

test("content is decoded byte for byte, also when its base64 is broken into lines", () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const base64 = bytes.toString("base64");
  for (const content of [base64, base64.replaceAll(/.{76}/g, "$&\r\n"), `${base64}\n`]) {
    const [draft] = check([file({ content })]).drafts;
    assert.ok(bytesOf(draft).equals(bytes));
    assert.is(draft?.content.sizeBytes, 256);
    assert.is(draft?.content.sha256, createHash("sha256").update(bytes).digest("hex"));
  }
  assert.is(check([file({ content: "" })]).drafts[0]?.content.sizeBytes, 0);
});

test("names that are the same in any file system get a number, and keep what the sender called them", () => {
  const { drafts } = check(
    ["a.txt", "A.TXT", "a.txt", "a-2.txt", "x/a", "x?a", ".", ".."].map((filename) => file({ filename })),
  );
  assert.equal(
    drafts.map(({ storedAs }) => storedAs),
    ["a.txt", "A-2.TXT", "a-3.txt", "a-2-2.txt", "x_a", "x_a-2", "_", "_-2"],
  );
  assert.equal(
    drafts.map(({ filename }) => filename),
    ["a.txt", "A.TXT", "a.txt", "a-2.txt", "x/a", "x?a", ".", ".."],
  );
  assert.is(new Set(drafts.map(({ storedAs }) => storedAs.toLowerCase())).size, drafts.length);
});

const faulty: [given: Partial<Given>, fault: RegExp][] = [
  [{ filename: " " }, /^attachments\[0\]\.filename must not be empty$/],
  [{ filename: "a\r\nb" }, /filename must not contain control characters/],
  [{ filename: "a\0b" }, /filename must not contain control characters/],
  [{ filename: "x".repeat(256) }, /filename is longer than 255/],
  [{ filename: "\ud83d.txt" }, /filename is not valid Unicode/],
  [{ content: "aGk" }, /content is not valid base64/],
  [{ content: "aG k=" }, /content is not valid base64/],
  [{ content: "aGk-" }, /content is not valid base64/],
  [{ content: "a===" }, /content is not valid base64/],
  [{ content: "=aGk" }, /content is not valid base64/],
  [{ content_type: "pdf" }, /content_type must be a media type/],
  [{ content_type: "text/plain; charset" }, /content_type must be a media type/],
  [{ content_type: `text/${"x".repeat(255)}` }, /content_type must be a media type/],
  [{ content_type: "text/plain\r\nX-Evil: 1" }, /content_type must be a media type/],
  [{ content_type: "text/plain;\r\n\r\nevil=1" }, /content_type must be a media type/],
  [{ content_type: 'text/plain; name="a\r\nb"' }, /content_type must be a media type/],
];
for (const [given, fault] of faulty) {
  test(`refused: ${JSON.stringify(given).slice(0, 60)}`, () => {
    const { drafts, faults } = check([file(given)]);
    assert.equal(drafts, []);
    assert.is(faults.length, 1, faults.join("\n"));
    assert.match(faults[0] ?? "", fault);
  });
}

test("each faulty file is named by its place", () => {
  const { drafts, faults } = check([file(), file({ content: "?" }), file({ filename: "", content_type: "x" })]);
  assert.is(drafts.length, 1);
  assert.equal(
    faults.map((fault) => fault.split(" ")[0]),
    ["attachments[1].content", "attachments[2].filename", "attachments[2].content_type"],
  );
});

test("a media type with parameters is taken, an empty one is none", () => {
  for (const content_type of ["text/plain; charset=utf-8", 'application/x; name="a b.txt"', "image/svg+xml"]) {
    assert.is(check([file({ content_type })]).drafts[0]?.contentType, content_type);
  }
  assert.is(check([file({ content_type: "" })]).drafts[0]?.contentType, undefined);
});

test("the limit is on the decoded bytes: what fills it is taken, one byte more is refused by the file's name", () => {
  const limit = 2 ** 20;
  for (const bytes of [limit - 2, limit - 1, limit]) {
    assert.is(
      check([file({ content: Buffer.alloc(bytes).toString("base64") })], limit).drafts[0]?.content.sizeBytes,
      bytes,
    );
  }
  for (const bytes of [limit + 1, limit + 2, limit + 3]) {
    try {
      check([file({ filename: "big.iso", content: Buffer.alloc(bytes).toString("base64") })], limit);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, Problem);
      assert.is(error instanceof Problem && error.code, "attachment_too_large");
      assert.match(String(error), "big.iso exceeds maximum size of 1MB");
    }
  }
});

test("a file of 25 MB is checked and decoded", () => {
  const content = Buffer.alloc(25 * 2 ** 20, 7);
  const { drafts } = check([file({ content: content.toString("base64") })], content.length);
  assert.ok(bytesOf(drafts[0]).equals(content));
});

/** A file that came too large for memory: what was sent stands in it, in place of `content` a name. */
async function received(base64: string, maxBytes: number) {
  const sink = openAttachments(await temporaryFolder()).receive(maxBytes);
  await sink.write(Buffer.from(base64));
  await sink.end();
  return { sink, large: (text: string) => (text === "a name" ? sink : undefined) };
}

test("a file that is not in memory is checked like any other, and stays where it is", async () => {
  const { sink, large } = await received(Buffer.alloc(1000, 7).toString("base64"), 1024);
  const { drafts, faults } = check([file(), file({ content: "a name" })], 1024, large);
  assert.equal(faults, []);
  assert.is(drafts[1]?.content, sink);
  assert.is(drafts[1]?.content.sizeBytes, 1000);
  const bad = await received(`${"A".repeat(1000)}*AAA`, 1024);
  assert.equal(check([file(), file({ content: "a name" })], 1024, bad.large).faults, [
    "attachments[1].content is not valid base64",
  ]);
});

test("a file that is not in memory may fill the limit, and not pass it by a byte", async () => {
  const limit = 2 ** 20;
  const full = await received(Buffer.alloc(limit).toString("base64"), limit);
  assert.is(check([file({ content: "a name" })], limit, full.large).drafts[0]?.content.sizeBytes, limit);
  for (const bytes of [limit + 1, limit + 2, 2 * limit]) {
    const { large } = await received(Buffer.alloc(bytes).toString("base64"), limit);
    assert.throws(
      () => check([file({ filename: "big.iso", content: "a name" })], limit, large),
      (error: unknown) => String(error).includes("big.iso exceeds maximum size of 1MB"),
    );
  }
});

test.run();
