/** Whether a package is an ES module, by Node's own rule for the name of its file: without loading it. */
import { findPackageJSON } from "node:module";
import { pathToFileURL } from "node:url";

/** Of what `require` finds. A package that is missing is none: whoever loads it tells so. */
export function isEsModule(require: NodeJS.Require, specifier: string): boolean {
  let file: string;
  try {
    file = require.resolve(specifier);
  } catch {
    return false;
  }
  if (!file.endsWith(".js")) return file.endsWith(".mjs");
  const manifest = findPackageJSON(pathToFileURL(file));
  if (manifest === undefined) return false;
  const content: unknown = require(manifest);
  return typeof content === "object" && content !== null && "type" in content && content.type === "module";
}
