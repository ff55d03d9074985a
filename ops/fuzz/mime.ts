/** Messages of the corpus with their parts moved about: what a reader of mail must tell apart all the same. */
import type { Random } from "../harness/random.ts";
import { corpus } from "../e2e/smtp-corpus/index.ts";
import { flipped } from "./frames.ts";

export interface Message {
  raw: Buffer;
  what: string;
}

/** Of one message: the corpus has some of many megabytes. */
const mostBytes = 60_000;

type Change = (text: string, random: Random) => string;

const oddHeaders = [
  "Content-Type: multipart/mixed",
  'Content-Type: multipart/mixed; boundary=""',
  "Content-Type: text/plain; charset=utf-7",
  "Content-Type: text/html; charset=x-unknown",
  "Content-Type: message/rfc822",
  "Content-Transfer-Encoding: base64",
  "Content-Transfer-Encoding: quoted-printable",
  "Content-Transfer-Encoding: x-uuencode",
  "Content-Disposition: attachment; filename*0=a; filename*1*=utf-8''%E5%B8%B3",
  "From: =?utf-8?b?////?= <shop@example.com>",
  "From: a@example.com, b@example.com",
  "From: <>",
  "Sender: eve@other.example",
  "Subject: =?big5?q?=A4=A4?= =?utf-8?b?5Lit",
  `Subject: ${"x".repeat(5000)}`,
  "To: undisclosed-recipients:;",
  `To: ${Array.from({ length: 300 }, (_, index) => `u${index}@example.org`).join(", ")}`,
  "Cc: group: a@example.org, b@example.org;",
  "Bcc: eve@example.org",
  "Date: Mon, 99 Foo 2026 25:61:61 +9999",
  "Message-ID: <",
  `References: ${"<a@b> ".repeat(500)}`,
  "MIME-Version: 9.9",
  ": no name",
  "no colon",
  " folded from nowhere",
  "X-Null: a\0b",
] as const;

/** Lines of the head, folded ones together. */
const fieldsOf = (head: string): string[] => head.split(/\r?\n(?![ \t])/);

function inHead(text: string, change: (fields: string[]) => string[]): string {
  const [, head = "", rest = ""] = /^(.*?)(\r?\n\r?\n.*)$/s.exec(text) ?? [undefined, text];
  return change(fieldsOf(head)).join("\r\n") + rest;
}

const boundaryOf = (text: string): string => /boundary="?([^"\r\n;]+)/i.exec(text)?.[1] ?? "none";
const at = (items: readonly unknown[], random: Random): number => random.between(0, Math.max(0, items.length - 1));

const changes: readonly [Change, ...Change[]] = [
  (text, random) => inHead(text, (fields) => [...fields, random.pick(oddHeaders)]),
  (text, random) => inHead(text, (fields) => [random.pick(oddHeaders), ...fields]),
  (text, random) => inHead(text, (fields) => fields.toSpliced(at(fields, random), 1)),
  (text, random) => inHead(text, (fields) => [...fields, fields[at(fields, random)] ?? ""]),
  (text, random) => inHead(text, (fields) => Array.from({ length: random.between(2, 40) }, () => fields).flat()),
  (text) => text.replace(/\r?\n\r?\n/, "\r\n"),
  (text, random) => text.slice(0, random.between(0, text.length)),
  (text) => text.replaceAll("\r\n", "\n"),
  (text) => text.replaceAll("\r\n", "\r"),
  (text, random) =>
    text.replaceAll(
      boundaryOf(text),
      random.pick(["b", "a b", "", "x".repeat(200), "--", boundaryOf(text).toUpperCase()]),
    ),
  (text) => text.replace(`--${boundaryOf(text)}--`, ""),
  (text) => text.replace(`--${boundaryOf(text)}`, ""),
  (text, random) => `${text}\r\n--${boundaryOf(text)}\r\n${random.pick(oddHeaders)}\r\n\r\nmore`,
  (text, random) =>
    text.replace(
      /charset="?[\w-]+/i,
      `charset=${random.pick(["utf-16", "big5", "utf-7", "x", "iso-2022-jp", "gb18030", ""])}`,
    ),
  (text, random) =>
    text.replace(
      /(base64|quoted-printable|7bit|8bit)/i,
      random.pick(["base64", "quoted-printable", "8bit", "binary", "x"]),
    ),
  (text, random) =>
    text.replace(/(?<=\r?\n\r?\n)/, random.pick(["=", "=0", "=ZZ", "====", "\0", "\x1b$B", "+AGE-", "🂡"])),
  (text, random) => within(text, random.between(2, 60)),
];

/** A message in a message in a message. */
function within(text: string, depth: number): string {
  let whole = text.slice(0, 2000);
  for (let level = 0; level < depth; level++) {
    const kind = level % 2 === 0 ? "message/rfc822" : `multipart/mixed; boundary=b${level}`;
    const inner = level % 2 === 0 ? whole : `--b${level}\r\n${whole}\r\n--b${level}--`;
    whole = `From: a@example.com\r\nContent-Type: ${kind}\r\n\r\n${inner}`;
  }
  return whole;
}

const cases = corpus.map(({ raw, name }) => ({ raw: raw.subarray(0, mostBytes), name }));

export function makeMessage(random: Random): Message {
  const one = cases[at(cases, random)];
  if (!one) throw new Error("the corpus is empty");
  const what = `a mail like "${one.name}"`;
  const dice = random.between(0, 99);
  if (dice < 15) return { raw: one.raw, what };
  if (dice < 40) return { raw: flipped(one.raw, random), what };
  let text = one.raw.toString("latin1");
  if (dice < 50) {
    const other = cases[at(cases, random)]?.raw.toString("latin1") ?? "";
    const cut = random.between(0, text.length);
    return { raw: Buffer.from(text.slice(0, cut) + other.slice(random.between(0, other.length)), "latin1"), what };
  }
  for (let times = random.between(1, 3); times > 0; times--) text = random.pick(changes)(text, random);
  const raw = Buffer.from(text.slice(0, 3 * mostBytes), "latin1");
  return { raw: random.percent(15) ? flipped(raw, random) : raw, what };
}
