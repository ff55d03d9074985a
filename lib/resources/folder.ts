/** Making folders. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, with this mode, and those above it; one that is there already will do. Node's own `recursive` never returns, and takes
 * a processor with it, where a parent exists but holds no folders: a link whose volume is not mounted, or `/proc`.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await makeOne(path, mode);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeOne(path, mode);
  }
}

async function makeOne(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode }).catch((error: unknown) => {
    if (codeOf(error) !== "EEXIST") throw error;
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
