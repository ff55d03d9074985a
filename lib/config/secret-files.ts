/** Secrets that come in files, as container hosts hand them over: `NAME_FILE` in place of `NAME`. */
import { readFileSync } from "node:fs";
import type { TSchema } from "typebox";
import type { ConfigFault } from "./together.ts";
import { properties } from "./variables.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** What may be given as a file: whatever is marked as secret. */
export const secretNames: readonly string[] = Object.entries<TSchema & { description?: string }>(properties)
  .filter(([, { description }]) => description?.includes("(secret)"))
  .map(([name]) => name);

/** The variable that names the file of a secret. */
export const fileOf = (name: string): string => `${name}_FILE`;

/**
 * The environment with its secrets read from their files. One that is set itself wins over its file; a file with nothing
 * in it is one that is not set. Faults are told by the name of the file's variable, and never show what is in it.
 */
export function readSecretFiles(env: Variables): { env: Variables; files: ReadonlySet<string>; faults: ConfigFault[] } {
  const read: Record<string, string | undefined> = { ...env };
  const files = new Set<string>();
  const faults: ConfigFault[] = [];
  for (const name of secretNames) {
    const file = env[fileOf(name)]?.trim() ?? "";
    if (file === "" || (env[name]?.trim() ?? "") !== "") continue;
    files.add(name);
    try {
      read[name] = readFileSync(file, "utf8");
    } catch {
      faults.push({ variable: fileOf(name), message: "names a file that cannot be read" });
    }
  }
  return { env: read, files, faults };
}
