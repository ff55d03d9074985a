/** Text whose charset is not said, or said wrongly: what systems in Taiwan send without a word is UTF-8 or Big5. */
import { isUtf8 } from "node:buffer";

/** Names that say nothing: much calls itself so that is none of it. */
const saysNothing: ReadonlySet<string> = new Set([
  "",
  "ascii",
  "usascii",
  "utf8",
  "unknown",
  "unknown8bit",
  "8bit",
  "binary",
]);

/** Whether the bytes of a text have to tell their charset themselves. */
export function isUnsaid(charset: string | false | undefined): boolean {
  return saysNothing.has((charset || "").toLowerCase().replaceAll(/[^a-z\d]/g, ""));
}

/**
 * A header line in "binary", one character for each byte: with what its bytes beyond ASCII mean in encoded words
 * (RFC 2047). mailparser would take some of those bytes for white space, and some for backslashes.
 */
export function encodedHeader(line: string): string {
  if (!/[\u0080-\u00ff]/.test(line)) return line.replaceAll(words, relabelled);
  const text = guess(Buffer.from(line, "latin1"));
  // From the first of them to the last: white space between two encoded words is none.
  return text.replaceAll(/[\u0080-\u{10ffff}](?:[\s\u0080-\u{10ffff}]*[\u0080-\u{10ffff}])?/gu, (run) =>
    encodedWord(run.replaceAll(/\s+/g, " ")),
  );
}

const word = String.raw`=\?(?:utf-8|us-ascii)(?:\*[\w-]*)?\?[bq]\?[^?\s]*\?=`;
/** Encoded words one after the other: a character may begin in one and end in the next. */
const words = new RegExp(`${word}(?:\\s+${word})*`, "gi");

/** Encoded words whose bytes are not what they say. */
function relabelled(run: string): string {
  const bytes = Buffer.concat(
    [...run.matchAll(/\?([bq])\?([^?\s]*)\?=/gi)].map(([, kind, text]) => bytesOf(kind, text)),
  );
  return isUtf8(bytes) || !isBig5(bytes) ? run : encodedWord(guess(bytes));
}

function bytesOf(kind = "", text = ""): Buffer {
  if (kind.toLowerCase() === "b") return Buffer.from(text, "base64");
  const plain = text.replaceAll("_", " ").replaceAll(/=([\da-f]{2})/gi, (_whole, digits: string) => {
    return String.fromCharCode(Number.parseInt(digits, 16));
  });
  return Buffer.from(plain, "latin1");
}

function isBig5(bytes: Buffer): boolean {
  try {
    new TextDecoder("big5", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;
}

/** Text whose charset its bytes have to tell: UTF-8 where it is that, else Big5. */
export function guess(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString("utf8") : new TextDecoder("big5").decode(bytes);
}
