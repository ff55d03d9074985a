/** Takes packages from where pack.ts has put them together. Without that, or when others are installed by now, from their own files. */
import { readFileSync, realpathSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** What was put together. */
export interface Pack {
  /** The version of each package that is inside, by its folder: a package may have another one of its own. */
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
  const urls = readUrls(root, folder);
  if (!urls) return false;
  registerHooks({
    resolve(specifier, context, next) {
      const url = urls.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
  return true;
}

function isInstalled(root: string, versions: Pack["versions"]): boolean {
  return Object.entries(versions).every(([path, version]) => versionOf(root, path) === version);
}

/** The version of an installed package, by its folder. */
export function versionOf(root: string, path: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));
    const isVersioned = typeof manifest === "object" && manifest !== null && "version" in manifest;
    return isVersioned && typeof manifest.version === "string" ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}

/** Where each import is; undefined without a pack, with a broken one, or while it is being replaced. */
function readUrls(root: string, folder: string): ReadonlyMap<string, string> | undefined {
  try {
    const at = realpathSync(folder);
    // Written by pack.ts, beside the packages themselves.
    const { versions, files } = JSON.parse(readFileSync(join(at, "pack.json"), "utf8")) as Pack;
    if (!isInstalled(root, versions)) return undefined;
    return new Map(Object.entries(files).map(([specifier, file]) => [specifier, pathToFileURL(join(at, file)).href]));
  } catch {
    return undefined;
  }
}
