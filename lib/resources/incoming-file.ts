/** A file that takes what comes in, until it gets a name or goes. */
import { open, unlink, type FileHandle } from "node:fs/promises";
import { codeOf, create, nameless } from "./disk.ts";

/** How much is read at a time, in bytes: each time is a turn of another thread, and of this one. */
const readBytes = 256 * 1024;

export class IncomingFile {
  readonly path: string;
  /** Bytes that it has. */
  sizeBytes = 0;
  #file: FileHandle | undefined;
  #isMade = false;

  constructor(path: string) {
    this.path = path;
  }

  /** Resolves when it may be given more; one call at a time. The file is made by the first. */
  append(pieces: readonly Buffer[]): Promise<void> {
    return nameless(async () => {
      this.#file ??= await create(this.path);
      this.#isMade = true;
      for (let left = pieces.filter((piece) => piece.length > 0); left.length > 0;) {
        const { bytesWritten } = await this.#file.writev(left);
        this.sizeBytes += bytesWritten;
        left = without(left, bytesWritten);
      }
    });
  }

  /** Closes it; with nothing in it, it is made first. */
  async end(): Promise<void> {
    if (this.sizeBytes === 0) await this.append([]);
    await this.#close();
  }

  /**
   * Reads it, when it has ended. All pieces are in one place: each is good until the next is asked for, and a mail of
   * a megabyte leaves no garbage of a megabyte.
   */
  async *passing(): AsyncGenerator<Buffer> {
    const file = await nameless(() => open(this.path));
    try {
      const room = Buffer.allocUnsafe(Math.min(this.sizeBytes, readBytes));
      for (let done = 0; done < this.sizeBytes;) {
        const { bytesRead } = await nameless(() => file.read(room, 0, room.length));
        if (bytesRead === 0) throw new Error("This file is not whole any more");
        done += bytesRead;
        yield room.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  /** Takes the file away; one that a mail has taken over has other names by then. Not while it is written to. */
  async discard(): Promise<void> {
    await this.#close();
    if (this.#isMade) await nameless(() => unlink(this.path).catch(unlessMissing));
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** What is left of pieces after so many bytes. */
function without(pieces: readonly Buffer[], bytes: number): Buffer[] {
  const left: Buffer[] = [];
  for (const piece of pieces) {
    if (bytes < piece.length) left.push(piece.subarray(bytes));
    bytes = Math.max(bytes - piece.length, 0);
  }
  return left;
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}
