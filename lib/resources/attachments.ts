/** The folder of attachments. */
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder } from "./folder.ts";

export interface AttachmentStore {
  /**
   * Writes the files of one folder (`2026/01/20/{mail id}`). Returns once they are on disk: written under another
   * name, flushed, renamed, and the folder flushed too.
   */
  write(folder: string, files: readonly { name: string; content: Buffer }[]): Promise<void>;
  /** Takes a folder away that no mail came of. */
  remove(folder: string): Promise<void>;
  read(path: string): Promise<Buffer>;
  /** Absolute path of a stored file. */
  resolve(path: string): string;
}

export function openAttachments(root: string): AttachmentStore {
  return {
    async write(folder, files) {
      const target = join(root, folder);
      await makeFolder(target);
      await Promise.all(
        files.map(async ({ name, content }, index) => {
          // No stored name begins with a dot, so this is never another file's.
          const part = join(target, `.${index}.part`);
          const handle = await open(part, "wx");
          try {
            await handle.writeFile(content);
            await handle.sync();
          } finally {
            await handle.close();
          }
          await rename(part, join(target, name));
        }),
      );
      await flushFolders(root, target);
    },
    async remove(folder) {
      await rm(join(root, folder), { recursive: true, force: true });
    },
    read: (path) => readFile(join(root, path)),
    resolve: (path) => join(root, path),
  };
}

/** Flushes a folder and those above it up to the root: a new name is safe only when its folder is. */
async function flushFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.length >= root.length; path = dirname(path)) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (path === root) return;
  }
}
