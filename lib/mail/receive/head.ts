/** The head of a message, before it is parsed: mailparser takes all for headers up to the first empty line. */

/** As mailparser's own limit, beyond which a message is refused. */
const longestHead = 256 * 1024;

/**
 * Gives a message on with the end of its head where people would see it: after its last header. Mail that was written
 * by hand, or by a script, often has no empty line there, and its text would be lost.
 */
export async function* withHeadEnd(message: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const piece of message) {
    if (!head) {
      yield piece;
      continue;
    }
    const start: Buffer = head.length > 0 ? Buffer.concat([head, piece]) : piece;
    const isWhole = start.indexOf("\r\n\r\n") >= 0 || start.length > longestHead;
    // The piece itself may be overwritten when the next one is asked for.
    head = isWhole ? undefined : Buffer.from(start);
    if (isWhole) yield endHead(start);
  }
  if (head) yield endHead(head);
}

/** What begins a message and has all of its head, with lines that end with CRLF. */
export function endHead(start: Buffer): Buffer {
  const empty = start.indexOf("\r\n\r\n");
  const head = start.toString("latin1", 0, empty < 0 ? start.length : empty + 2);
  if (head.startsWith("\r\n")) return start;
  const lines = head.replace(/^\u00ef\u00bb\u00bf/, "").match(/[^\n]*\n|[^\n]+$/g) ?? [];
  // `From : x` would be taken for the line that mailboxes put before a message.
  const first = lines[0]?.replace(/^From +:/i, "From:");
  if (first !== undefined) lines[0] = first;
  let end = lines.findLastIndex((line, index) => header.test(line) || (index === 0 && /^>?From /.test(line))) + 1;
  // Folded lines of the last header, and blanks alone, which were to be an empty line.
  while (end > 0 && /^[ \t]/.test(lines[end] ?? "")) end++;
  if (end < lines.length) lines.splice(end, 0, "\r\n");
  const fixed = lines.join("");
  return fixed === head ? start : Buffer.concat([Buffer.from(fixed, "latin1"), start.subarray(head.length)]);
}

/** Names may have what they should not, but no blanks: a sentence with a colon is none. */
const header = /^[^\s:]+[ \t]*:/;
