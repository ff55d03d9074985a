/** Base64 as it comes in pieces, decoded strictly (RFC 4648, section 4). Line breaks are nothing. */

const lineFeed = 10;
const carriageReturn = 13;
const padding = 61;

/** What each character stands for; negative where it stands for nothing. */
const values = new Int32Array(256).fill(-1);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
for (const [value, character] of [...alphabet].entries()) values[character.charCodeAt(0)] = value;

/**
 * By hand, because Node decodes texts only: making them of every piece fills the young heap, which then grows to its
 * largest and stays there. That is 40 MB, for 20 ms of the 130 that a file of 25 MB takes.
 */
export class Base64Decoder {
  #isValid = true;
  #characters = 0;
  /** Characters of a group that is not whole yet, and the bits that they stand for. */
  #count = 0;
  #bits = 0;
  #padding = 0;
  #out = Buffer.allocUnsafe(0);

  /** False as soon as something cannot be base64; after `end` also when the end is missing. */
  get isValid(): boolean {
    return this.#isValid;
  }

  /** How many bytes the text so far stands for, be it valid or not. */
  get length(): number {
    return Math.max(0, Math.floor((this.#characters * 3) / 4) - Math.min(this.#padding, 2));
  }

  /** Decodes what is whole so far. The bytes are good until the next call: they are in one buffer, used again. */
  decode(piece: Buffer): Buffer {
    const most = Math.ceil((piece.length + 3) / 4) * 3;
    if (this.#out.length < most) this.#out = Buffer.allocUnsafe(most);
    const out = this.#out;
    let length = 0;
    for (let at = 0; at < piece.length;) {
      if (this.#count === 0 && this.#padding === 0 && this.#isValid) {
        const start = at;
        for (; at + 4 <= piece.length; at += 4) {
          const bits = groupAt(piece, at);
          if (bits < 0) break;
          out[length++] = bits >> 16;
          out[length++] = bits >> 8;
          out[length++] = bits;
        }
        this.#characters += at - start;
        if (at === piece.length) break;
      }
      if (!this.#take(piece[at++] ?? 0)) continue;
      out[length++] = this.#bits >> 16;
      out[length++] = this.#bits >> 8;
      out[length++] = this.#bits;
      this.#count = 0;
      this.#bits = 0;
    }
    return out.subarray(0, this.#isValid ? length : 0);
  }

  /** The last bytes. */
  end(): Buffer {
    const isWhole = this.#padding === 0 ? this.#count === 0 : this.#count + this.#padding === 4;
    if (!isWhole || this.#padding > 2) this.#isValid = false;
    if (!this.#isValid || this.#padding === 0) return Buffer.alloc(0);
    return this.#padding === 2
      ? Buffer.from([this.#bits >> 4])
      : Buffer.from([this.#bits >> 10, (this.#bits >> 2) & 0xff]);
  }

  /** One character, by itself; true when it makes a group whole. */
  #take(character: number): boolean {
    if (character === lineFeed || character === carriageReturn) return false;
    this.#characters++;
    if (character === padding) {
      this.#padding++;
      return false;
    }
    const value = values[character] ?? -1;
    if (value < 0 || this.#padding > 0) this.#isValid = false;
    if (!this.#isValid) return false;
    this.#bits = (this.#bits << 6) | value;
    return ++this.#count === 4;
  }
}

/** The 24 bits of four characters; negative when one of them stands for nothing. */
function groupAt(piece: Buffer, at: number): number {
  return (
    (valueAt(piece, at) << 18) | (valueAt(piece, at + 1) << 12) | (valueAt(piece, at + 2) << 6) | valueAt(piece, at + 3)
  );
}

function valueAt(piece: Buffer, at: number): number {
  return values[piece[at] ?? 0] ?? -1;
}
