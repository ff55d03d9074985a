// After `npm install`: makes `npx fn` work inside the project. npm links the commands of dependencies, not a project's
// own. Plain JavaScript: it runs on the machine's Node.
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, "..", "..", "node_modules", ".bin");
if (existsSync(bin) && process.platform !== "win32") {
  rmSync(join(bin, "fn"), { force: true });
  symlinkSync(relative(bin, join(here, "fn.mjs")), join(bin, "fn"));
}
