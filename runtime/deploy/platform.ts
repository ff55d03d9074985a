/** What a bundle is built beside and does not carry along: the runtime, the resources, and the packages. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin, createRequire } from "node:module";
import { join } from "node:path";

/**
 * Tells platforms apart: the start of a SHA-256 over all code that bundles leave outside, and the versions of packages. A
 * bundle runs only beside the one that it was built beside: what it calls there may be different in another.
 */
export function platformOf(root: string): string {
  const code = ["runtime", join("lib", "resources")]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
    );
  const files = code.filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  const hash = createHash("sha256").update(process.versions.node);
  for (const file of [...files, "package-lock.json"].toSorted()) {
    hash.update(`\n${file}\n`).update(readFileSync(join(root, file)));
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
