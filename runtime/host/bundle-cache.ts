/**
 * Keeps bundles from one start to the next: what has not changed is not built again, and where nothing has, esbuild is not
 * even started. A bundle holds by what its sources say, not by when they were written.
 */
import { hash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { cacheFolder } from "../packages/use.ts";
import type { Bundle } from "./load.ts";

const Kept = Type.Object({
  basis: Type.String(),
  /** SHA-256 of each source, by its path from the root. */
  inputs: Type.Record(Type.String(), Type.String()),
  code: Type.String(),
  map: Type.String(),
});

export interface BundleCache {
  /** The bundle of a function, if it would be built the same now. */
  find(name: string): Promise<Bundle | undefined>;
  /** Keeps a bundle for which the sources were read at `builtAt` (`Date.now()`) or later. Never fails: then it is built again. */
  keep(name: string, bundle: Bundle, builtAt: number): Promise<void>;
}

/** What a bundle depends on beside its sources: how it is made, and which packages there are. */
const basisFiles = ["package.json", "tsconfig.json", join("node_modules", ".package-lock.json")];
/** By how much a file's time may lag behind the clock. */
const lagMs = 100;

/** For one go: a source is read once, whatever happens to it meanwhile. */
export function openBundleCache(root: string, folder = join(cacheFolder(root), "bundles")): BundleCache {
  const fileOf = (name: string) => join(folder, `${name.replaceAll("/", ".")}.json`);
  const basis = sha256(
    [join(import.meta.dirname, "load.ts"), ...basisFiles.map((file) => join(root, file))].map(textOf).join("\0"),
  );
  const known = new Map<string, Promise<string>>();
  const hashOf = (input: string): Promise<string> => {
    const found = known.get(input) ?? readFile(join(root, input)).then(sha256);
    known.set(input, found);
    return found;
  };

  return {
    async find(name) {
      try {
        const kept = Value.Parse(Kept, JSON.parse(await readFile(fileOf(name), "utf8")));
        if (kept.basis !== basis) return undefined;
        const inputs = Object.keys(kept.inputs);
        const same = await Promise.all(inputs.map(async (input) => (await hashOf(input)) === kept.inputs[input]));
        const { code, map } = kept;
        return same.every(Boolean) ? { code, map, hash: sha256(code), inputs } : undefined;
      } catch {
        return undefined; // none, a broken one, or a source that is gone
      }
    },
    async keep(name, { code, map, inputs }, builtAt) {
      const fresh = `${fileOf(name)}.${randomUUID()}`;
      try {
        const hashes = await Promise.all(inputs.map(async (input) => [input, await hashOf(input)] as const));
        // What was saved while it was built may not be what was built.
        const changed = await Promise.all(inputs.map(async (input) => (await stat(join(root, input))).ctimeMs));
        if (changed.some((at) => at > builtAt - lagMs)) return;
        await mkdir(folder, { recursive: true });
        await writeFile(fresh, JSON.stringify({ basis, inputs: Object.fromEntries(hashes), code, map }));
        await rename(fresh, fileOf(name));
      } catch {
        await rm(fresh, { force: true }).catch(() => {}); // as where nothing may be written
      }
    },
  };
}

/** In hex. */
export const sha256 = (content: string | Buffer): string => hash("sha256", content);

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
