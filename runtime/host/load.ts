/** Turns a function file into a running module: bundled with the `lib/` code it imports, loaded, and forgotten. */
import { createRequire, registerHooks } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { build, stop, type BuildFailure, type Metafile, type OutputFile, type Plugin } from "esbuild";
import { isFunction } from "../function.ts";
import { isEsModule } from "../packages/es-module.ts";
import { openBundleCache, sha256 } from "./bundle-cache.ts";
import type { FoundFile } from "./discover.ts";
import type { Loaded } from "./slot.ts";

/** A function as one content-addressed CommonJS module. Paths in it are relative to the root, so it can travel. */
export interface Bundle {
  code: string;
  /** Source map (JSON). Not part of the hash. */
  map: string;
  /** SHA-256 of `code`, in hex. */
  hash: string;
  /** All files that it is made of, those among them that left nothing in it: relative to the root. */
  inputs: string[];
}

/** Something wrong with one file; all of them are reported together. */
export interface Fault {
  file: string;
  message: string;
}

export interface Bundled {
  /** By the name of the function. */
  bundles: Map<string, Bundle>;
  faults: Fault[];
}

/** Folders that are the platform: they are never copied into a bundle, because they hold state or identity. */
const platform = ["runtime", join("lib", "resources")];

/**
 * Keeps packages and the platform outside the bundle, as `require` calls that are resolved from the root.
 *
 * A default import of an ES module package goes through a small module of its own: inside a project of ES modules
 * esbuild follows Node's rule for CommonJS packages (default = all exports), which is wrong for `require` of ES modules.
 */
function external(root: string): Plugin {
  const requireFromRoot = createRequire(join(root, "package.json"));
  return {
    name: "external",
    setup(setup) {
      setup.onResolve({ filter: /.*/ }, (request) => {
        if (request.kind === "entry-point") return undefined;
        if (request.path.startsWith("node:")) return { path: request.path, external: true };
        if (request.path.startsWith("#runtime")) return { path: "./runtime/index.ts", external: true };
        const own = request.path.startsWith("#lib/") ? join(root, "lib", request.path.slice(5)) : request.path;
        if (own.startsWith(".") || own.startsWith(root)) {
          const path = relative(root, resolve(request.resolveDir, own));
          if (platform.some((folder) => path === folder || path.startsWith(folder + sep))) {
            return { path: `./${path.split(sep).join("/")}`, external: true };
          }
          return own === request.path ? undefined : { path: own };
        }
        const isDefault = request.kind === "import-statement" && request.namespace === "file";
        if (isDefault && isEsModule(requireFromRoot, request.path)) {
          return { path: request.path, namespace: "es-package" };
        }
        return { path: request.path, external: true };
      });
      setup.onLoad({ filter: /.*/, namespace: "es-package" }, ({ path }) => ({
        contents: `export * from ${JSON.stringify(path)}; export { default } from ${JSON.stringify(path)};`,
        resolveDir: root,
      }));
    },
  };
}

/**
 * Bundles function files, each into a module of its own. A file that does not build becomes a fault and does not
 * stop the others. What was bundled before, and is as it was, is taken from there.
 */
export async function bundle(root: string, files: readonly FoundFile[]): Promise<Bundled> {
  const cache = openBundleCache(root);
  const bundles = new Map<string, Bundle>();
  const changed: FoundFile[] = [];
  const found = await Promise.all(files.map(async (file) => [file, await cache.find(file.name)] as const));
  for (const [file, kept] of found) {
    if (kept) bundles.set(file.name, kept);
    else changed.push(file);
  }
  const builtAt = Date.now();
  const built = await buildEach(root, changed);
  for (const [name, made] of built.bundles) bundles.set(name, made);
  await Promise.all([...built.bundles].map(([name, made]) => cache.keep(name, made, builtAt)));
  return { bundles, faults: built.faults };
}

/** About 3 ms a function; ten times that for the first, which starts esbuild. */
async function buildEach(root: string, files: readonly FoundFile[]): Promise<Bundled> {
  try {
    return { bundles: await bundleAll(root, files), faults: [] };
  } catch (error) {
    const [only] = files;
    if (only && files.length === 1) return { bundles: new Map(), faults: faultsOf(error, only.file) };
  }
  const bundles = new Map<string, Bundle>();
  const faults: Fault[] = [];
  for (const part of await Promise.all(files.map((file) => buildEach(root, [file])))) {
    for (const [name, made] of part.bundles) bundles.set(name, made);
    faults.push(...part.faults);
  }
  return { bundles, faults };
}

/** Ends esbuild, which else stays as a process of 20 MB. The next bundle starts it again. */
export async function endBundler(): Promise<void> {
  await stop();
}

async function bundleAll(root: string, files: readonly FoundFile[]): Promise<Map<string, Bundle>> {
  if (files.length === 0) return new Map();
  const result = await build({
    absWorkingDir: root,
    entryPoints: files.map(({ name, file }) => ({ in: file, out: name })),
    outdir: root,
    outbase: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    sourcemap: "external",
    sourcesContent: false,
    charset: "utf8",
    logLevel: "silent",
    plugins: [external(root)],
  });
  const byPath = new Map(result.outputFiles.map((output: OutputFile) => [relative(root, output.path), output.text]));
  const bundles = new Map<string, Bundle>();
  for (const { name } of files) {
    const path = `${name.split("/").join(sep)}.js`;
    const code = byPath.get(path) ?? "";
    const entry = result.metafile.outputs[`${name}.js`]?.entryPoint;
    bundles.set(name, {
      code,
      map: byPath.get(`${path}.map`) ?? "",
      hash: sha256(code),
      inputs: entry === undefined ? [] : inputsOf(result.metafile, entry),
    });
  }
  return bundles;
}

/** The files that a bundle is made of. Of a file that left nothing in it (one that only passes on what others export) the output says nothing. */
function inputsOf({ inputs }: Metafile, entry: string): string[] {
  const found = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    for (const { path, external = false } of inputs[file]?.imports ?? []) if (!external) waiting.push(path);
  }
  return [...found].filter((input) => !input.startsWith("es-package:"));
}

function faultsOf(error: unknown, file: string): Fault[] {
  if (!isBuildFailure(error)) throw error;
  return error.errors.map(({ text, location }) => ({
    file: location ? `${location.file}:${location.line}:${location.column + 1}` : file,
    message: text,
  }));
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

let loads = 0;

/** How many versions of functions this process has loaded. Each leaves a little behind, wherever its names are kept. */
export const versionsLoaded = (): number => loads;

/**
 * Runs a bundle and returns what its file exports by default.
 *
 * It is required as if it lay in the root, under the same name for every version, and dropped from the cache again: this
 * way 1,000 loads leave nothing, where `import()` under fresh names runs out of memory, and Node's cache of compiled code
 * holds one version of each function. Throws what the module throws.
 */
export function evaluate(root: string, name: string, bundle: Bundle): unknown {
  loads++;
  const file = join(root, `${name.replaceAll("/", ".")}.function.cjs`);
  const url = pathToFileURL(file).href;
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === file ? { url, format: "commonjs", shortCircuit: true } : next(specifier, context),
    load: (asked, context, next) =>
      asked === url ? { format: "commonjs", source: withMap(root, bundle), shortCircuit: true } : next(asked, context),
  });
  // For this load alone: it keeps what it has loaded.
  const load = createRequire(file);
  // V8 would keep the code of every version for as long as there is room: a third of a megabyte for each deploy.
  setFlagsFromString("--no-compilation-cache");
  try {
    const exported: unknown = load(file);
    return typeof exported === "object" && exported !== null && "default" in exported ? exported.default : undefined;
  } finally {
    setFlagsFromString("--compilation-cache");
    hooks.deregister();
    delete load.cache[file];
  }
}

/** The code, with its source map where Node reads one. */
function withMap(root: string, { code, map }: Bundle): string {
  return process.sourceMapsEnabled && map !== "" ? `${code}\n//# sourceMappingURL=${inlineMap(root, map)}\n` : code;
}

function inlineMap(root: string, map: string): string {
  const parsed: unknown = JSON.parse(map);
  const sources =
    typeof parsed === "object" && parsed !== null && "sources" in parsed && Array.isArray(parsed.sources)
      ? parsed.sources.map((source) => `file://${join(root, String(source))}`)
      : [];
  const text = JSON.stringify(Object.assign({}, parsed, { sources }));
  return `data:application/json;base64,${Buffer.from(text).toString("base64")}`;
}

/**
 * Loads function files, which may have been bundled ahead. What does not load is a fault by file, with the line where it
 * can be told.
 */
export async function load(
  root: string,
  files: readonly FoundFile[],
  ahead: Promise<Bundled> = bundle(root, files),
): Promise<{ loaded: Loaded[] } & Bundled> {
  const { bundles, faults } = await ahead;
  const loaded: Loaded[] = [];
  for (const { name, file } of files) {
    const made = bundles.get(name);
    if (!made) continue;
    try {
      const definition = evaluate(root, name, made);
      if (isFunction(definition)) {
        loaded.push({ name, file, definition, hash: made.hash.slice(0, 12), inputs: made.inputs });
      } else {
        faults.push({ file, message: "its default export is not a function made by http, queue, schedule or smtp" });
      }
    } catch (error) {
      faults.push({ file, message: `it does not load: ${describe(error, root)}` });
    }
  }
  return { loaded, faults, bundles };
}

function describe(error: unknown, root: string): string {
  if (!(error instanceof Error)) return String(error);
  const at = error.stack
    ?.split("\n")
    .find((line) => line.includes(`${root}/functions`) || line.includes(`${root}/lib`));
  const message = error.message.split("\n")[0] ?? "";
  return at ? `${message} (${at.trim().replace(`file://`, "").replace(`${root}/`, "")})` : message;
}

/** The project's root: the nearest folder upwards that has a `runtime.config.ts`. */
export function nearestRoot(from: string, exists: (path: string) => boolean): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (exists(join(folder, "runtime.config.ts"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}
