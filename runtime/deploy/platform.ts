/** What a bundle is built beside and does not carry along: the runtime, the resources, and the packages. */
import { createHash } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { isBuiltin, createRequire } from "node:module";
import { join } from "node:path";

/**
 * Tells platforms apart: the start of a SHA-256 over all code that bundles leave outside, and the versions of packages. A
 * bundle runs only beside the one that it was built beside: what it calls there may be different in another.
 */
export async function platformOf(root: string): Promise<string> {
  const files = await Array.fromAsync(
    glob(["runtime/**/*.ts", "lib/resources/**/*.ts", "package-lock.json"], { cwd: root }),
  );
  const hash = createHash("sha256").update(process.versions.node);
  for (const file of files.filter((one) => !one.endsWith(".test.ts")).toSorted()) {
    hash.update(`\n${file}\n`).update(await readFile(join(root, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Which packages a bundle's code asks for. */
export function packagesIn(code: string): string[] {
  const asked = [...code.matchAll(/\b(?:require|import)\("([^"]+)"\)/g)].map(([, specifier = ""]) => specifier);
  return [...new Set(asked)].filter((one) => !one.startsWith(".") && !isBuiltin(one)).toSorted();
}

/** Those of these packages that cannot be found from here. */
export function missingPackages(root: string, packages: readonly string[]): string[] {
  const require = createRequire(join(root, "package.json"));
  return packages.filter((name) => {
    try {
      require.resolve(name);
      return false;
    } catch {
      return true;
    }
  });
}
