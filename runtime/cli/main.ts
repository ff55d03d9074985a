/** Where every process begins: it sees to it that code is loaded as fast as it can be, and then loads it. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { cacheFolder, usePacked } from "../packages/use.ts";

const root = join(import.meta.dirname, "../..");
// Compiled code, of this project and of its packages. Where nothing can be written, what lies there is read; without it,
// all is compiled as ever. Relative paths: a copy of the project finds its own.
if (process.env["NODE_COMPILE_CACHE"] === undefined)
  enableCompileCache({ directory: join(cacheFolder(root), "compiled"), portable: true });
usePacked(root);
// Not before: packages are found by then.
const { main } = await import("./command-line.ts");
process.exitCode = await main(process.argv.slice(2));
