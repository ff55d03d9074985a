/**
 * Puts the packages that package.json names under `packed` together in a few files: they load in a tenth of the time, and
 * take half the memory. (typebox has 680 files, MikroORM 450, redis 650.) Run after an installation; see use.ts.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build, type BuildOptions, type Metafile, type Plugin } from "esbuild";
import { isEsModule } from "./es-module.ts";
import { packFolder, versionOf, type Pack } from "./use.ts";

const common = {
  bundle: true,
  platform: "node",
  target: "node26",
  // Errors are told apart by the names of their classes.
  keepNames: true,
  legalComments: "eof",
  logLevel: "error",
  metafile: true,
} as const satisfies BuildOptions;

/** Puts them together, in place of what was before. Two may do so at once: both make the same. */
export async function pack(root: string, folder = packFolder(root)): Promise<void> {
  const fresh = `${folder}.${process.pid}`;
  try {
    await packInto(root, fresh);
    replace(folder, fresh);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function replace(folder: string, fresh: string): void {
  rmSync(folder, { recursive: true, force: true });
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another was quicker.
    if (!existsSync(join(folder, "pack.json"))) throw error;
  }
}

async function packInto(root: string, fresh: string): Promise<void> {
  const require = createRequire(join(root, "package.json"));
  const { packed: names } = manifestOf(root);
  const inside = Array.isArray(names) ? names.map(String) : [];
  const entries = Map.groupBy(
    inside.flatMap((name) => entriesOf(root, name)),
    (entry) => (isEsModule(require, entry) ? "mjs" : "cjs"),
  );
  const building = { absWorkingDir: root, outdir: fresh, plugins: [outside(root, inside)] };
  const made = [await packEsModules(building, entries.get("mjs") ?? [])];
  for (const entry of entries.get("cjs") ?? []) {
    made.push(await packCommonJs(building, entry, Object.keys(objectOf(require(entry)))));
  }
  const packages = new Set(made.flatMap(({ inputs }) => Object.keys(inputs)).map(packageOf));
  const files = [...entries].flatMap(([ending, all]) => all.map((entry) => [entry, `${entry}.${ending}`] as const));
  const result: Pack = {
    versions: Object.fromEntries([...packages].map((name) => [name, versionOf(root, name) ?? ""])),
    files: Object.fromEntries(files),
  };
  writeFileSync(join(fresh, "pack.json"), JSON.stringify(result, null, 2));
}

type Building = Pick<BuildOptions, "absWorkingDir" | "outdir" | "plugins">;

/** In chunks that they share, so that what one entry keeps is there for the others. */
async function packEsModules(building: Building, entries: readonly string[]): Promise<Metafile> {
  const entryPoints = entries.map((entry) => ({ in: entry, out: entry }));
  // What is CommonJS among them asks for Node's own modules with it.
  const banner = {
    js: `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`,
  };
  const chunks = { splitting: true, outExtension: { ".js": ".mjs" }, chunkNames: "chunks/[hash]" };
  return (await build({ ...common, ...building, ...chunks, banner, format: "esm", entryPoints })).metafile;
}

/** `names`: what it exports. Node finds them by reading the file, and would not find them in what esbuild makes. */
async function packCommonJs(building: Building, entry: string, names: readonly string[]): Promise<Metafile> {
  const footer = {
    js: `0 && (module.exports = { ${names.filter((name) => /^[a-z_$][\w$]*$/i.test(name)).join(", ")} });`,
  };
  const entryPoints = [{ in: entry, out: entry }];
  const made = { ...common, ...building, footer, outExtension: { ".js": ".cjs" }, entryPoints };
  return (await build({ ...made, format: "cjs" })).metafile;
}

/**
 * Leaves outside what the project itself uses, for that must be there once, and what is not installed, which these
 * packages work without.
 */
function outside(root: string, inside: readonly string[]): Plugin {
  const require = createRequire(join(root, "package.json"));
  const used = Object.keys(objectOf(manifestOf(root)["dependencies"])).filter((name) => !inside.includes(name));
  return {
    name: "outside",
    setup(setup) {
      setup.onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
        if (kind === "entry-point") return undefined;
        const file = fileOf(createRequire(importer), path);
        const isUsed = used.some((name) => path === name || path.startsWith(`${name}/`));
        return file === undefined || (isUsed && file === fileOf(require, path)) ? { path, external: true } : undefined;
      });
    },
  };
}

function fileOf(require: NodeJS.Require, specifier: string): string | undefined {
  try {
    return require.resolve(specifier);
  } catch {
    return undefined;
  }
}

/** What a package offers: its root, and each path that it names. */
function entriesOf(root: string, name: string): string[] {
  const paths = Object.keys(objectOf(manifestOf(join(root, "node_modules", name))["exports"]));
  const subpaths = paths.filter((path) => path.startsWith("./") && !path.includes("*") && !path.endsWith(".json"));
  return [name, ...subpaths.map((path) => name + path.slice(1))];
}

function manifestOf(folder: string): Record<string, unknown> {
  return objectOf(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** The package's folder: `node_modules/@mikro-orm/core` of `node_modules/@mikro-orm/core/index.js`. */
function packageOf(path: string): string {
  return /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path;
}

if (import.meta.main) await pack(join(import.meta.dirname, "../.."));
