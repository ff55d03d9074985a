/** Text in a charset that is said, decoded piece by piece: nothing of it takes a long turn, or many times its size. */

export interface TextDecoding {
  decode(piece: Buffer): string;
  /** What is left when no more comes. */
  end(): string;
}

/** What mailparser has for a charset: a stream around what decodes it, or one that decodes all at once when it ends. */
interface CharsetStream {
  conv?: { write(piece: Buffer): string; end(): string | undefined };
  end(all: Buffer): void;
  read(): Buffer | string | null;
}
export type KnownCharsets = (charset: string) => CharsetStream;

/** The decoding of a charset; undefined for one that nobody knows. `known` throws for those that it does not. */
export function decodingOf(charset: string, known: KnownCharsets): TextDecoding | undefined {
  // mailparser takes it for little-endian whatever its mark says.
  if (/^utf-?16$/i.test(charset)) return new Utf16();
  try {
    const { conv } = known(charset);
    if (conv) return { decode: (piece) => conv.write(piece), end: () => conv.end() ?? "" };
  } catch {
    return undefined;
  }
  return new Iso2022((all) => {
    const stream = known(charset);
    stream.end(all);
    return stream.read()?.toString() ?? "";
  });
}

class Utf16 implements TextDecoding {
  /** Until it is long enough to have its mark. */
  #start: Buffer = Buffer.alloc(0);
  #decoder: TextDecoder | undefined;

  decode(piece: Buffer): string {
    if (this.#decoder) return this.#decoder.decode(piece, { stream: true });
    this.#start = Buffer.concat([this.#start, piece]);
    if (this.#start.length < 2) return "";
    this.#decoder = this.#begun();
    return this.#decoder.decode(this.#start, { stream: true });
  }

  end(): string {
    return this.#decoder ? this.#decoder.decode() : this.#begun().decode(this.#start);
  }

  #begun(): TextDecoder {
    const isBigEndian = this.#start[0] === 0xfe && this.#start[1] === 0xff;
    return new TextDecoder(isBigEndian ? "utf-16be" : "utf-16le");
  }
}

const begin = "\u001b";
const escape = new RegExp(`^${begin}(?:\\$?\\([A-Z]|\\$[@AB])`);

/** Text that escape sequences put into other characters: a piece begins with the last one of those before it. */
class Iso2022 implements TextDecoding {
  readonly #decodeAll: (bytes: Buffer) => string;
  #escape: Buffer = Buffer.alloc(0);

  constructor(decodeAll: (bytes: Buffer) => string) {
    this.#decodeAll = decodeAll;
  }

  decode(piece: Buffer): string {
    if (piece.length === 0) return "";
    const text = this.#decodeAll(Buffer.concat([this.#escape, piece]));
    const at = piece.lastIndexOf(begin);
    const found = at < 0 ? undefined : escape.exec(piece.toString("latin1", at, at + 4))?.[0];
    if (found !== undefined) this.#escape = Buffer.from(found, "latin1");
    return text;
  }

  end(): string {
    return "";
  }
}
