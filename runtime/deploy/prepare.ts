/** From a name on the command line to what is to run: resolved, built, and checked here before anybody else sees it. */
import { discover, type FoundFile } from "../host/discover.ts";
import { load } from "../host/load.ts";
import { OperatorError } from "../house.ts";
import { exits } from "./exits.ts";
import { packagesIn, platformOf } from "./platform.ts";
import type { StoredBundle } from "./store.ts";

/** The one function that a name means: its whole name, or the end of one that no other has. */
export function resolveName(wanted: string, known: readonly string[]): string {
  if (known.includes(wanted)) return wanted;
  const found = [...new Set(known)].filter((name) => name.endsWith(`/${wanted}`)).toSorted();
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (found.length > 1) {
    throw new OperatorError(`"${wanted}" may be ${found.join(" or ")}: say which.`, { exitCode: exits.ambiguous });
  }
  throw new OperatorError(`There is no function "${wanted}" here, nor was one deployed. See fn list.`, {
    exitCode: exits.unknown,
  });
}

/** Builds and loads a function of this folder. Throws an `OperatorError` with what is wrong with it. */
export async function buildBundle(root: string, file: FoundFile): Promise<StoredBundle> {
  const { bundles, faults } = await load(root, [file]);
  if (faults.length > 0) {
    const told = faults.map(({ file: where, message }) => `${where}: ${message}`).join("\n");
    throw new OperatorError(told, { exitCode: exits.faulty });
  }
  const built = bundles.get(file.name);
  if (!built) throw new OperatorError(`${file.file} does not build`, { exitCode: exits.faulty });
  const { code, map, hash } = built;
  return { function: file.name, hash, code, map, platform: platformOf(root), packages: packagesIn(code) };
}

export async function filesByName(root: string): Promise<Map<string, FoundFile>> {
  return new Map((await discover(root)).map((file) => [file.name, file]));
}
