/** The sandbox inbox: a folder of `.eml` files. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { makeFolder } from "./folder.ts";

export interface Inbox {
  readonly folder: string;
  /** Keeps a message (RFC 5322) as `<name>.eml`; whole or not at all. Throws what the stream throws. */
  keep(name: string, message: Buffer | Readable): Promise<void>;
}

export async function openInbox(folder: string): Promise<Inbox> {
  await makeFolder(folder);
  return {
    folder,
    async keep(name, message) {
      const path = join(folder, `${name}.eml`);
      const part = `${path}.part`;
      try {
        // A message comes line by line; this writes many of them at once.
        await pipeline(message instanceof Readable ? message : [message], createWriteStream(part));
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    },
  };
}
