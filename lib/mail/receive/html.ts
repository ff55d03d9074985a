/** Plain text as html. */
import { setImmediate as turn } from "node:timers/promises";
import { cut } from "./headers.ts";

/** For each byte the bytes that are written for it, where those are others. */
type Others = readonly (readonly number[] | undefined)[];

/** What stands in html for these characters. */
const marks: readonly [character: string, html: string][] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
];
const inParagraph = othersOf([...marks, ["\n", "<br/>\n"]]);
const inBlock = othersOf(marks);
/** The most bytes that are written for one character. */
const longest = 6;

/** How much is written in one turn, in characters. */
const sliceLength = 128 * 1024;

/** Longer than this, in characters, a text is a log or a table, and millions of `<br/>` would be most of its html. */
const longText = 2 ** 20;

/** A paragraph; of a long text a block that is shown as it is, in half the memory. */
export async function htmlOf(text: string): Promise<string> {
  return text.length < longText
    ? `<p>${await escaped(text, inParagraph)}</p>`
    : `<pre style="white-space: pre-wrap">\n${await escaped(text, inBlock)}</pre>`;
}

async function escaped(text: string, others: Others): Promise<string> {
  const room = Buffer.allocUnsafe(longest * Math.min(text.length, sliceLength));
  let html = "";
  for (let at = 0; at < text.length;) {
    if (at > 0) await turn();
    const slice = cut(text.slice(at, at + sliceLength + 1), sliceLength);
    html += room.toString("utf8", 0, write(slice, room, others));
    at += slice.length;
  }
  return html;
}

/** Byte by byte: to replace one after the other takes seconds, and most of the memory, for millions of short lines. */
function write(text: string, html: Buffer, others: Others): number {
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

function othersOf(written: readonly [character: string, html: string][]): Others {
  return Array.from({ length: 256 }, (_, byte) => {
    const found = written.find(([character]) => character.charCodeAt(0) === byte);
    return found && [...Buffer.from(found[1])];
  });
}
