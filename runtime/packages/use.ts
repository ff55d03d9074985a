/** Takes packages from where pack.ts has put them together. Without that, or when others are installed by now, from their own files. */
import { readFileSync, realpathSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** What was put together. */
export interface Pack {
  /** The version of each package that is inside. */
  versions: Record<string, string>;
  /** The file of each import, relative to the folder: `typebox/compile`. */
  files: Record<string, string>;
}

/** Beside the packages: it goes with them, and lies in an image with them. */
export function cacheFolder(root: string): string {
  return join(root, "node_modules", ".cache", "fn");
}

export function packFolder(root: string): string {
  return join(cacheFolder(root), "packed");
}

/** To be called before anything imports a package. Returns whether it is taken from there. */
export function usePacked(root: string, folder = packFolder(root)): boolean {
  const pack = readPack(join(folder, "pack.json"));
  if (!pack || !isInstalled(root, pack.versions)) return false;
  const at = realpathSync(folder);
  const urls = new Map(
    Object.entries(pack.files).map(([specifier, file]) => [specifier, pathToFileURL(join(at, file)).href]),
  );
  registerHooks({
    resolve(specifier, context, next) {
      const url = urls.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
  return true;
}

function isInstalled(root: string, versions: Pack["versions"]): boolean {
  return Object.entries(versions).every(([name, version]) => versionOf(root, name) === version);
}

/** The version of an installed package. */
export function versionOf(root: string, name: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
    const isVersioned = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return isVersioned && typeof manifest.version === "string" ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}

function readPack(file: string): Pack | undefined {
  try {
    // Written by pack.ts, beside the packages themselves.
    return createRequire(file)(file) as Pack;
  } catch {
    return undefined;
  }
}
