/** Decoded content that no mail has taken yet: in memory, or in a file of its own when it is large. */
import { createHash } from "node:crypto";
import { Base64Decoder } from "./base64.ts";
import { IncomingFile } from "./incoming-file.ts";

export interface StagedContent {
  readonly sizeBytes: number;
  /** In hex. */
  readonly sha256: string;
  /** Its bytes, or the absolute path of the file that has them. */
  readonly source: Buffer | string;
}

/** Content that is in memory. */
export function stagedBytes(bytes: Buffer): StagedContent {
  return { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), source: bytes };
}

/** Content that came as it is. Unless a mail has taken it over, it goes when it is disposed of. */
export interface StagedPieces extends StagedContent, AsyncDisposable {}

/** How much of one content stays in memory, and how much of a longer one is written at a time, in bytes. */
const [inMemoryBytes, writeBytes] = [64 * 1024, 256 * 1024];

/**
 * Takes content piece by piece: a little stays in memory, and what is longer goes into a file. Past `maxBytes` it only
 * counts: nobody may keep such content. Throws what the pieces throw, and leaves nothing then.
 */
export async function stagePieces(
  pieces: AsyncIterable<Buffer>,
  path: string,
  maxBytes: number,
): Promise<StagedPieces> {
  const file = new IncomingFile(path);
  const hash = createHash("sha256");
  const held: Buffer[] = [];
  let heldBytes = 0;
  let sizeBytes = 0;
  const write = async () => {
    await file.append(held);
    held.length = heldBytes = 0;
  };
  try {
    for await (const piece of pieces) {
      sizeBytes += piece.length;
      if (sizeBytes > maxBytes) continue;
      hash.update(piece);
      held.push(piece);
      heldBytes += piece.length;
      if (heldBytes >= writeBytes) await write();
    }
    if (sizeBytes > inMemoryBytes) {
      await write();
      await file.end();
    }
  } catch (error) {
    await file.discard();
    throw error;
  }
  const source = sizeBytes > inMemoryBytes ? file.path : Buffer.concat(held);
  const discard = () => file.discard();
  return { sizeBytes, sha256: hash.digest("hex"), source, [Symbol.asyncDispose]: discard };
}

/**
 * Takes base64 piece by piece and writes what it says into a file. Past `maxBytes`, or once it is no base64, nothing
 * more is written, and it only counts. Throws what the file system throws.
 */
export class StagedFile implements StagedContent {
  readonly #maxBytes: number;
  readonly #decoder = new Base64Decoder();
  readonly #hash = createHash("sha256");
  readonly #file: IncomingFile;
  #sha256: string | undefined;

  constructor(path: string, maxBytes: number) {
    this.#file = new IncomingFile(path);
    this.#maxBytes = maxBytes;
  }

  /** What the base64 stands for, whether it was written or not. */
  get sizeBytes(): number {
    return this.#decoder.length;
  }

  /** Whether what came is base64 from beginning to end. */
  get isBase64(): boolean {
    return this.#decoder.isValid;
  }

  /** Throws when the file has not everything: what was sent is no base64, too long, or has not ended. */
  get source(): string {
    if (!this.isBase64 || this.#file.sizeBytes !== this.sizeBytes) throw new Error("This content is not whole");
    return this.#file.path;
  }

  get sha256(): string {
    if (this.#sha256 === undefined) throw new Error("This content has not ended yet");
    return this.#sha256;
  }

  /** Resolves when it may be given more; one call at a time. */
  write(piece: Buffer): Promise<void> {
    return this.#append(this.#decoder.decode(piece));
  }

  async end(): Promise<void> {
    await this.#append(this.#decoder.end());
    if (this.isBase64 && this.sizeBytes <= this.#maxBytes) await this.#file.end();
    else await this.#file.discard();
    this.#sha256 = this.#hash.digest("hex");
  }

  /** Takes the file away; one that a mail has taken over has other names by then. Not while a write is under way. */
  async discard(): Promise<void> {
    await this.#file.discard();
  }

  async #append(bytes: Buffer): Promise<void> {
    if (bytes.length === 0 || this.#decoder.length > this.#maxBytes) return;
    this.#hash.update(bytes);
    await this.#file.append([bytes]);
  }
}
