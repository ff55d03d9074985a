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
    for (const byte of piece) {
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

/** Looks at line ends only: Node finds the next one many times faster than a loop comes to it. */
function isNormal(piece: Buffer): boolean {
  for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1)) {
    if (piece[at - 1] !== CR) return false;
  }
  for (let at = piece.indexOf(CR); at >= 0; at = piece.indexOf(CR, at + 1)) {
    if (piece[at + 1] !== LF) return false;
  }
  return true;
}
