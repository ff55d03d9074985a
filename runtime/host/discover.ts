/** Finds function files: `functions/**\/*.ts`, but neither tests nor files that start with `_`. */
import { readdir } from "node:fs/promises";
import { matchesGlob, join, relative, sep } from "node:path";

export interface FoundFile {
  /** `mail/send` for `functions/mail/send.ts`. */
  name: string;
  /** Relative to the root. */
  file: string;
}

/** The name of the function in a file under `functions/`, or undefined when the file is none. */
export function functionName(pathUnderFunctions: string): string | undefined {
  const path = pathUnderFunctions.split(sep).join("/");
  if (!path.endsWith(".ts") || path.endsWith(".test.ts") || path.endsWith(".d.ts")) return undefined;
  if (path.split("/").some((part) => part.startsWith("_") || part.startsWith("."))) return undefined;
  return path.slice(0, -3);
}

/** Whether a function is selected by the globs of `FUNCTIONS` (`mail/*,auth/*`; `*` alone selects everything). */
export function isSelected(name: string, globs: readonly string[]): boolean {
  return globs.some((glob) => glob === "*" || glob === "**" || matchesGlob(name, glob));
}

/** All function files under `<root>/functions`, by name. */
export async function discover(root: string): Promise<FoundFile[]> {
  const folder = join(root, "functions");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: FoundFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = functionName(relative(folder, path));
    if (name !== undefined) found.push({ name, file: relative(root, path) });
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those that globs select. */
export async function discoverSelected(root: string, globs: readonly string[]): Promise<FoundFile[]> {
  return (await discover(root)).filter(({ name }) => isSelected(name, globs));
}
