// Where every process begins: it sees to it that code is loaded as fast as it can be, and then loads it. Plain JavaScript:
// of TypeScript that comes before the cache of compiled code, each start would have to load the compiler.
import { enableCompileCache } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
// Compiled code, of this project and of its packages. Where nothing can be written, what lies there is read; without it,
// all is compiled as ever. Relative paths: a copy of the project finds its own. The folder is a part of `cacheFolder`.
if (process.env["NODE_COMPILE_CACHE"] === undefined)
  enableCompileCache({ directory: join(root, "node_modules/.cache/fn/compiled"), portable: true });
const { usePacked } = await import("../packages/use.ts");
usePacked(root);
// Not before: packages are found by then.
const { main } = await import("./command-line.ts");
process.exitCode = await main(process.argv.slice(2));
