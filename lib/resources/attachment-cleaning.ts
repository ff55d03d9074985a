/** What cleaning needs of the folder of attachments. It is walked entry by entry, however large it is. */
import type { Dirent } from "node:fs";
import { opendir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { codeOf, nameless } from "./disk.ts";

export interface MailFolder {
  /** The mail's id, as the folder is called. */
  id: string;
  /** `2026/01/20/{mail id}` */
  folder: string;
}

export interface AttachmentCleaner {
  /** Removes files, contents that nothing else has, and the folders that get empty. What is gone already is no fault. */
  removeFiles(files: readonly { path: string; sha256: string | null }[]): Promise<void>;
  /** The folders of mails by the day that they came, where the day (its midnight in UTC) is wanted. */
  mailFolders(isWanted: (day: Date) => boolean): AsyncGenerator<MailFolder>;
  /** Removes the folder of a mail with all that is in it, and the folders above it that get empty. */
  removeFolder(folder: string): Promise<void>;
  /** Removes what was being received before this time: its process has ended without doing so. */
  removeIncoming(before: Date): Promise<number>;
  /** Removes contents that no mail has, of those whose SHA-256 begins with a wanted byte. */
  removeContents(isWanted: (firstByte: number) => boolean): Promise<number>;
}

export function attachmentCleaner(root: string): AttachmentCleaner {
  return {
    removeFiles: (files) =>
      nameless(async () => {
        await Promise.all(files.map(({ path }) => rm(join(root, path), { force: true })));
        const contents = new Set(files.flatMap(({ sha256 }) => (sha256 === null ? [] : [contentPath(root, sha256)])));
        await Promise.all([...contents].map(removeAlone));
        const folders = new Set(files.map(({ path }) => dirname(path)));
        for (const folder of folders) await removeEmpty(root, folder);
      }),

    async *mailFolders(isWanted) {
      for await (const year of folders(root, /^\d{4}$/)) {
        for await (const month of folders(year, /^\d\d$/)) {
          for await (const day of folders(month, /^\d\d$/)) {
            const date = new Date(`${relative(root, day).replaceAll(/\D/g, "-")}T00:00:00Z`);
            if (Number.isNaN(date.getTime()) || !isWanted(date)) continue;
            for await (const folder of folders(day, uuid)) {
              yield { id: folder.slice(day.length + 1), folder: relative(root, folder) };
            }
          }
        }
      }
    },

    removeFolder: (folder) =>
      nameless(async () => {
        await rm(join(root, folder), { recursive: true, force: true });
        await removeEmpty(root, dirname(folder));
      }),

    async removeIncoming(before) {
      let removed = 0;
      for await (const file of files(join(root, ".incoming"))) {
        const changed = await stat(file).then(({ mtime }) => mtime, ifMissing(undefined));
        if (!changed || changed >= before) continue;
        await rm(file, { force: true });
        removed++;
      }
      return removed;
    },

    async removeContents(isWanted) {
      let removed = 0;
      for await (const folder of folders(join(root, ".content"), /^[\da-f]{2}$/)) {
        if (!isWanted(Number.parseInt(folder.slice(-2), 16))) continue;
        for await (const file of files(folder)) if (await removeAlone(file)) removed++;
      }
      return removed;
    },
  };
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Where content lies under the name that it has by its SHA-256. */
export function contentPath(root: string, sha256: string): string {
  return join(root, ".content", sha256.slice(0, 2), sha256);
}

/** Takes a content away that no attachment has as a name any more. Should one get it meanwhile, it keeps the file. */
export async function removeAlone(path: string): Promise<boolean> {
  const links = await stat(path).then(({ nlink }) => nlink, ifMissing(0));
  if (links === 1) await rm(path, { force: true });
  return links === 1;
}

/** Removes a folder and those above it, up to one that is not empty. */
async function removeEmpty(root: string, folder: string): Promise<void> {
  for (let path = folder; path !== "."; path = dirname(path)) {
    const goesOn = await rmdir(join(root, path)).then(
      () => true,
      (error: unknown) => {
        if (codeOf(error) === "ENOENT") return true;
        if (codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST") return false;
        throw error;
      },
    );
    if (!goesOn) return;
  }
}

async function* folders(path: string, name: RegExp): AsyncGenerator<string> {
  for await (const entry of entries(path))
    if (entry.isDirectory() && name.test(entry.name)) yield join(path, entry.name);
}

async function* files(path: string): AsyncGenerator<string> {
  for await (const entry of entries(path)) if (entry.isFile()) yield join(path, entry.name);
}

async function* entries(path: string): AsyncGenerator<Dirent> {
  const folder = await opendir(path).catch(ifMissing(undefined));
  if (folder) yield* folder;
}

/** What stands for something that is not there. */
function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === "ENOENT") return value;
    throw error;
  };
}
