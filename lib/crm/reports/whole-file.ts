/** A file that is there whole, or not at all. */
import { randomUUID } from "node:crypto";
import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { flushFolders, nameless } from "../../resources/disk.ts";
import { IncomingFile } from "../../resources/incoming-file.ts";

/**
 * Writes what comes under another name in the same folder, and gives it its name when all is there. Resolves with its
 * size in bytes; throws what the pieces throw, and leaves nothing then.
 */
export async function writeWhole(path: string, pieces: AsyncIterable<Buffer>): Promise<number> {
  const folder = dirname(path);
  const file = new IncomingFile(join(folder, `.${randomUUID()}`));
  try {
    for await (const piece of pieces) await file.append([piece]);
    await file.end();
    await nameless(() => rename(file.path, path));
  } catch (error) {
    await file.discard();
    throw error;
  }
  await nameless(() => flushFolders(folder, folder));
  return file.sizeBytes;
}
