/** Decoded content that no mail has taken yet: in memory, or in a file of its own when it is large. */
import { createHash } from "node:crypto";
import { rm, type FileHandle } from "node:fs/promises";
import { Base64Decoder } from "./base64.ts";
import { create, nameless } from "./disk.ts";

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

/**
 * Takes base64 piece by piece and writes what it says into a file. Past `maxBytes`, or once it is no base64, nothing
 * more is written, and it only counts. Throws what the file system throws.
 */
export class StagedFile implements StagedContent {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #decoder = new Base64Decoder();
  readonly #hash = createHash("sha256");
  #file: FileHandle | undefined;
  #written = 0;
  #sha256: string | undefined;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
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
    if (!this.isBase64 || this.#written !== this.sizeBytes) throw new Error("This content is not whole");
    return this.#path;
  }

  get sha256(): string {
    if (this.#sha256 === undefined) throw new Error("This content has not ended yet");
    return this.#sha256;
  }

  /** Resolves when it may be given more; one call at a time. */
  write(piece: Buffer): Promise<void> {
    return nameless(() => this.#append(this.#decoder.decode(piece)));
  }

  async end(): Promise<void> {
    await nameless(async () => {
      await this.#append(this.#decoder.end());
      if (this.isBase64 && this.sizeBytes === 0) this.#file ??= await create(this.#path);
      await this.#close();
    });
    this.#sha256 = this.#hash.digest("hex");
  }

  /** Takes the file away; one that a mail has taken over has other names by then. Not while a write is under way. */
  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#path, { force: true });
  }

  async #append(bytes: Buffer): Promise<void> {
    if (bytes.length === 0 || this.#decoder.length > this.#maxBytes) return;
    this.#hash.update(bytes);
    this.#file ??= await create(this.#path);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
    this.#written += bytes.length;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
