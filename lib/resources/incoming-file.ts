/** A file that takes what comes in, until it gets a name or goes. */
import { rm, type FileHandle } from "node:fs/promises";
import { create, nameless } from "./disk.ts";

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
  append(bytes: Buffer): Promise<void> {
    return nameless(async () => {
      this.#file ??= await create(this.path);
      this.#isMade = true;
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done);
        done += bytesWritten;
      }
      this.sizeBytes += bytes.length;
    });
  }

  /** Closes it; with nothing in it, it is made first. */
  async end(): Promise<void> {
    if (this.sizeBytes === 0) await this.append(Buffer.alloc(0));
    await this.#close();
  }

  /** Takes the file away; one that a mail has taken over has other names by then. Not while it is written to. */
  async discard(): Promise<void> {
    await this.#close();
    if (this.#isMade) await nameless(() => rm(this.path, { force: true }));
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
