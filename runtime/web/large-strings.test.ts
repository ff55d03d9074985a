import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StringSink } from "../http.ts";
import { Problem } from "../problem.ts";
import { LargeStrings } from "./large-strings.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { TextBuffer } from "./text-buffer.ts";

/** Keeps what it is given, in copies: a piece is good only until its promise settles. */
class Kept implements StringSink {
  readonly pieces: Buffer[] = [];
  state: "open" | "writing" | "ended" = "open";

  async write(piece: Buffer): Promise<void> {
    assert.is(this.state, "open", "one piece at a time");
    this.state = "writing";
    await Promise.resolve();
    this.pieces.push(Buffer.from(piece));
    this.state = "open";
  }

  async end(): Promise<void> {
    assert.is(this.state, "open");
    this.state = "ended";
  }

  async discard(): Promise<void> {}

  get text(): string {
    assert.is(this.state, "ended");
    return Buffer.concat(this.pieces).toString();
  }
}

interface Read {
  value: unknown;
  large: string[];
  rest: string;
}

/** Feeds chunks; `<n>` stands in the value for the n-th large string. */
async function read(chunks: Iterable<Buffer>, over = 8): Promise<Read> {
  const rest = new TextBuffer(new MemoryBudget(2 ** 30, 60_000).share());
  const sinks: Kept[] = [];
  const open = () => {
    const sink = new Kept();
    sinks.push(sink);
    return sink;
  };
  const strings = new LargeStrings({ key: "content", over, open }, rest);
  for (const chunk of chunks) {
    const borrowed = Buffer.from(chunk);
    await strings.feed(borrowed);
    borrowed.fill(0);
  }
  const value: unknown = JSON.parse(rest.toString(), (_key, value: unknown) => {
    const sink = typeof value === "string" ? strings.find(value) : undefined;
    return sink instanceof Kept ? `<${sinks.indexOf(sink)}>` : value;
  });
  return { value, large: sinks.map(({ text }) => text), rest: rest.toString() };
}

function* cut(text: string | Buffer, ...at: number[]): Generator<Buffer> {
  const bytes = Buffer.from(text);
  let start = 0;
  for (const end of [...at, bytes.length]) {
    yield bytes.subarray(start, end);
    start = end;
  }
}

function* inPieces(text: string, size: number): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

const cases: [name: string, json: string, value: unknown, large: string[]][] = [
  ["a large string of the key", `{"content":"0123456789"}`, { content: "<0>" }, ["0123456789"]],
  ["one that just fits stays", `{"content":"01234567"}`, { content: "01234567" }, []],
  ["an empty one, and none", `{"content":"","x":[]}`, { content: "", x: [] }, []],
  ["another key", `{"html":"0123456789","content":1}`, { html: "0123456789", content: 1 }, []],
  ["white space around the colon", `{"content" \n\t:\r "0123456789" }`, { content: "<0>" }, ["0123456789"]],
  [
    "wherever the key is, as often as it comes",
    `{"a":[{"content":"aaaaaaaaaa"},{"b":{"content":"bbbbbbbbbb"}}],"content":"cccccccccc"}`,
    { a: [{ content: "<0>" }, { b: { content: "<1>" } }], content: "<2>" },
    ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"],
  ],
  ["the key as a value", `["content","0123456789"]`, ["content", "0123456789"], []],
  [
    "the key as the value of the key",
    `{"content":"content","x":"0123456789"}`,
    { content: "content", x: "0123456789" },
    [],
  ],
  ["strings in a list of the key", `{"content":["0123456789"]}`, { content: ["0123456789"] }, []],
  [
    "a longer key, a shorter one",
    `{"contents":"0123456789","conten":"0123456789"}`,
    { contents: "0123456789", conten: "0123456789" },
    [],
  ],
  [
    "a key that is itself long",
    `{"${"k".repeat(40)}":"0123456789","content":"0123456789"}`,
    { ["k".repeat(40)]: "0123456789", content: "<0>" },
    ["0123456789"],
  ],
  ["the key written with escapes", String.raw`{"\u0063onten\u0074":"0123456789"}`, { content: "<0>" }, ["0123456789"]],
  [
    "quotes and backslashes",
    String.raw`{"a":"\"\\","content":"\"\\\"\\\\\"{}:,[]\"content\":\"x\""}`,
    { a: '"\\', content: "<0>" },
    ['"\\"\\\\"{}:,[]"content":"x"'],
  ],
  [
    "PHP's slashes and .NET's plus signs",
    String.raw`{"content":"ab\/cd\u002Bef\u002bgh\/"}`,
    { content: "<0>" },
    ["ab/cd+ef+gh/"],
  ],
  [
    "every escape",
    String.raw`{"content":"\b\f\n\r\t\"\\\/\u0000\u00e9\u738b"}`,
    { content: "<0>" },
    ['\b\f\n\r\t"\\/\0é王'],
  ],
  ["pairs, escaped and not", String.raw`{"content":"\ud83d\ude00😀\uD83D\uDE00"}`, { content: "<0>" }, ["😀😀😀"]],
  [
    "halves of pairs",
    String.raw`{"content":"\ud83d|\ude00|\ud83d\ud83d\ude00|\ud83d\n|\ud83d"}`,
    { content: "<0>" },
    ["\ufffd|\ufffd|\ufffd😀|\ufffd\n|\ufffd"],
  ],
  [
    "letters of several bytes",
    `{"content":"王小明é😀","x":"王小明é😀"}`,
    { content: "<0>", x: "王小明é😀" },
    ["王小明é😀"],
  ],
  ["a text alone", `"0123456789"`, "0123456789", []],
  [
    "numbers and words between",
    `{"a":-1.5e3,"b":null,"content":"0123456789","c":true}`,
    { a: -1500, b: null, content: "<0>", c: true },
    ["0123456789"],
  ],
];

for (const [name, json, value, large] of cases) {
  test(`${name}, however the text is cut`, async () => {
    const { length } = Buffer.from(json);
    const expect = (got: Read, how: string) => {
      assert.equal(got.value, value, how);
      assert.equal(got.large, large, how);
    };
    expect(await read(cut(json)), "in one");
    for (let size = 1; size <= 5; size++) expect(await read(inPieces(json, size)), `in pieces of ${size}`);
    for (let at = 1; at < length; at++) expect(await read(cut(json, at)), `cut at ${at}`);
    for (let at = 1; at < length; at++)
      expect(await read(cut(json, at, Math.min(at + 3, length))), `cut at ${at} and 3 on`);
  });
}

/** Makes JSON texts by chance, the same ones in every run. */
function chance(seed: number) {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
  const pick = (list: readonly string[]): string => list[below(list.length)] ?? "";
  const letters = [
    "a",
    "content",
    '"',
    "\\",
    "/",
    "\n",
    "é",
    "王",
    "😀",
    "\ud83d",
    "\u2028",
    "\0",
    ":",
    "{",
    'content":"',
  ];
  const text = () => Array.from({ length: below(12) }, () => pick(letters)).join("");
  const space = () => pick(["", "", " ", "\r\n\t"]);
  /** Each letter as itself or as an escape; some must be one. */
  const string = () => {
    const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    const written = Array.from(text(), (letter) => {
      const mustBe = JSON.stringify(letter) !== `"${letter}"` || !letter.isWellFormed();
      if (!mustBe && below(3) > 0) return letter === "/" ? pick(["/", "\\/"]) : letter;
      return below(2) > 0 ? letter.split("").map(escaped).join("") : JSON.stringify(letter).slice(1, -1);
    });
    return `"${written.join("")}"`;
  };
  const json = (depth = 0): string => {
    const kind = below(depth > 3 ? 3 : 5);
    if (kind === 0) return String(below(1000) - 500);
    if (kind < 3) return string();
    const parts = Array.from({ length: below(4) }, () => {
      const key = kind === 3 ? "" : `${pick(['"content"', '"x"', string()])}${space()}:`;
      return `${space()}${key}${space()}${json(depth + 1)}${space()}`;
    });
    return kind === 3 ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
  };
  return { below, json };
}

test("it reads what JSON.parse reads, of any text and cut anywhere", async () => {
  const { below, json } = chance(20260120);
  let large = 0;
  for (let round = 0; round < 3000; round++) {
    const text = json();
    const got = await read(inPieces(text, 1 + below(20)), below(16));
    large += got.large.length;
    const put = JSON.stringify(got.value).replaceAll(/"<(\d+)>"/g, (_, index) =>
      JSON.stringify(got.large[Number(index)]),
    );
    // A half of a pair cannot be written in UTF-8, which is what a sink is given.
    const lossy = (one: string) => one.replaceAll(/\\ud83d|\ufffd/g, "?");
    assert.is(lossy(put), lossy(JSON.stringify(JSON.parse(text))), `round ${round}: ${text}`);
  }
  assert.ok(large > 100, `only ${large} strings were large`);
});

test("a string that is no JSON string is refused, however large and wherever it is cut", async () => {
  const faulty: [name: string, inside: string | Buffer][] = [
    ["a line break", "0123456789\nA"],
    ["a tab", "0123456789\tA"],
    ["NUL", "0123456789\0A"],
    ["an unknown escape", "0123456789\\qA"],
    ["an escape without digits", "0123456789\\u00zzA"],
    ["an escape of three digits", '0123456789\\u00e"'],
    ["a byte that is not UTF-8", Buffer.from([...Buffer.from("0123456789"), 0xff])],
    ["half a letter at the end", Buffer.from([...Buffer.from("0123456789"), 0xe7, 0x8e])],
    ["half a letter before an escape", Buffer.from([...Buffer.from("0123456789"), 0xe7, 0x8e, 0x5c, 0x6e])],
  ];
  for (const [name, inside] of faulty) {
    const json = Buffer.concat([Buffer.from('{"content":"'), Buffer.from(inside), Buffer.from('"}')]);
    for (let at = 1; at < json.length; at++) {
      const failure = await read(cut(json, at)).catch((error: unknown) => error);
      assert.instance(failure, Problem, `${name}, cut at ${at}`);
      assert.is(failure instanceof Problem && failure.code, "invalid_json");
    }
  }
});

test("what is not in the text stays out of it: the rest of a large body is small", async () => {
  const { rest } = await read(cut(JSON.stringify({ content: "x".repeat(100_000), a: "y" })));
  assert.ok(rest.length < 100, rest);
});

test("a name cannot be foreseen, and is another in every body", async () => {
  const names = new Set<string>();
  for (let round = 0; round < 100; round++) names.add((await read(cut(`{"content":"0123456789"}`))).rest);
  assert.is(names.size, 100);
});

test("so many values that they would fill the memory are refused, whatever they are", async () => {
  for (const value of ["0", '""', "{}", "[]", '{"":0}']) {
    const text = `[${Array.from({ length: 2_000_001 }, () => value).join(",")}]`;
    const failure = await read(inPieces(text, 65_536)).catch((error: unknown) => error);
    assert.is(failure instanceof Problem && failure.code, "request_too_large", value);
  }
  const commas = JSON.stringify([",[{".repeat(2_000_000)]);
  assert.is((await read(inPieces(commas, 65_536))).rest.length, commas.length, "a text is one value");
});

test("a body of many small strings and backslashes takes time in proportion", async () => {
  const list = JSON.stringify(Array.from({ length: 200_000 }, (_, index) => `${index}`));
  const slashes = JSON.stringify({ html: "\\/".repeat(500_000), content: "\\".repeat(500_000) });
  assert.is((await read(inPieces(list, 65_536))).rest, list);
  assert.equal((await read(inPieces(slashes, 65_536))).large, ["\\".repeat(500_000)]);
});

test.run();
