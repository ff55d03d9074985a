/** Plain text as html. */
import { setImmediate as turn } from "node:timers/promises";
import { cut } from "./headers.ts";

/** What stands in html for these characters. */
const written: readonly [character: string, html: string][] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ["\n", "<br/>\n"],
];

/** For each byte the bytes that are written for it, where those are others. */
const others: readonly (readonly number[] | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  const found = written.find(([character]) => character.charCodeAt(0) === byte);
  return found && [...Buffer.from(found[1])];
});
/** The most bytes that are written for one character. */
const longest = 6;

/** How much is written in one turn, in characters. */
const sliceLength = 128 * 1024;

export async function htmlOf(text: string): Promise<string> {
  const room = Buffer.allocUnsafe(longest * Math.min(text.length, sliceLength));
  let html = "";
  for (let at = 0; at < text.length;) {
    if (at > 0) await turn();
    const slice = cut(text.slice(at, at + sliceLength + 1), sliceLength);
    html += room.toString("utf8", 0, write(slice, room));
    at += slice.length;
  }
  return html;
}

/** Byte by byte: to replace one after the other takes seconds, and most of the memory, for millions of short lines. */
function write(text: string, html: Buffer): number {
  const bytes = Buffer.from(text);
  let length = 0;
  // Not `for … of`, which takes ten times as long.
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const other = others[byte];
    if (!other) html[length++] = byte;
    else for (let next = 0; next < other.length; next++) html[length++] = other[next] ?? 0;
  }
  return length;
}
