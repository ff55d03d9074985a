/** Files that must survive a power cut, and whose names nobody else is to learn. */
import { randomUUID } from "node:crypto";
import { copyFile, open, rename, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { problems } from "../../runtime/problem.ts";
import { makeFolder } from "./folder.ts";

/**
 * Runs work on files whose names are confidential: what the system says of a failure has the path in it, so the error
 * that comes of it keeps the code alone. A full disk is `service_unavailable`: it passes, or somebody makes it pass.
 */
export async function nameless<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withoutNames(error);
  }
}

export function withoutNames(error: unknown): unknown {
  const code = codeOf(error);
  if (!(error instanceof Error && "syscall" in error) || code === "") return error;
  const bare = Object.assign(new Error(`A file could not be used: ${code} at ${String(error.syscall)}`), { code });
  return code === "ENOSPC" || code === "EDQUOT" ? problems.unavailable({ cause: bare }) : bare;
}

/** The system's name of an error, empty for other errors. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Makes a file, and its folder, that nobody writes to a second time: it may get several names. */
export async function create(path: string): Promise<FileHandle> {
  const make = () => open(path, "wx", 0o444);
  try {
    return await make();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await makeFolder(dirname(path));
    return await make();
  }
}

/** Moves a flushed file; to another file system by a copy, which is flushed as well. */
export async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (codeOf(error) !== "EXDEV") throw error;
    const part = join(dirname(to), `.${randomUUID()}`);
    await copyFile(from, part);
    await flush(part);
    await rename(part, to);
  }
}

/** Flushes a folder and those above it up to the root: a new name is safe only when its folder is. */
export async function flushFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.length >= root.length; path = dirname(path)) {
    await flush(path);
    if (path === root) return;
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Reads a file piece by piece; it is opened when the first is asked for. */
export async function* piecesOf(path: string): AsyncGenerator<Buffer> {
  const file = await nameless(() => open(path));
  yield* file.createReadStream();
}
