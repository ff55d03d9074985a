/**
 * Line ends as SMTP has them: CR and LF together, and neither alone (RFC 5321, section 2.3.8). What programs make of
 * lone ones differs, and mail has been smuggled through the difference; behind this there is none.
 */

const CR = 13;
const LF = 10;
const SPACE = 32;

export class LineEnds {
  /** The last piece ended with CR, and what comes next decides what that was. */
  #pending = false;

  /** A lone LF, and any number of CR before one, is a line end; CR without LF is a space, as Postfix makes it. */
  normalize(piece: Buffer): Buffer {
    if (!this.#pending && isNormal(piece)) return piece;
    const out = Buffer.allocUnsafe(2 * piece.length + 1);
    let length = 0;
    // Not `for … of`, which takes ten times as long.
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] ?? 0;
      if (byte === CR) {
        this.#pending = true;
        continue;
      }
      if (byte === LF) {
        out[length++] = CR;
      } else if (this.#pending) {
        out[length++] = SPACE;
      }
      this.#pending = false;
      out[length++] = byte;
    }
    return out.subarray(0, length);
  }

  /** What is left when no more comes. */
  end(): Buffer {
    const rest = this.#pending ? " " : "";
    this.#pending = false;
    return Buffer.from(rest);
  }
}

/** What a short line is, in bytes, and how many of them are looked for by calls. */
const [shortLine, mostCalls] = [32, 64];

/** Looks at line ends only: Node finds the next one many times faster than a loop comes to it, if it is far enough. */
function isNormal(piece: Buffer): boolean {
  let at = 0;
  for (let short = 0; short < mostCalls;) {
    const [cr, lf] = [piece.indexOf(CR, at), piece.indexOf(LF, at)];
    if (lf < 0) return cr < 0;
    if (cr < 0 || cr !== lf - 1) return false;
    if (lf - at < shortLine) short++;
    at = lf + 1;
  }
  for (; at < piece.length; at++) {
    const byte = piece[at] ?? 0;
    if (byte !== CR && byte !== LF) continue;
    if (byte === LF || piece[at + 1] !== LF) return false;
    at++;
  }
  return true;
}
