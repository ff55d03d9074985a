// After `npm install`: makes `npx fn` work inside the project. npm links the commands of dependencies, not a project's
// own. Then puts together the packages that load faster so. Plain JavaScript: it runs on the machine's Node.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, "..", "..", "node_modules", ".bin");
if (existsSync(bin) && process.platform !== "win32") {
  rmSync(join(bin, "fn"), { force: true });
  symlinkSync(relative(bin, join(here, "fn.mjs")), join(bin, "fn"));
}

// With the Node that the project pins. Without it all works as well, only starts are slower.
const pinned = join(here, "..", "..", "node_modules", "node", "bin", "node");
if (existsSync(pinned)) spawnSync(pinned, [join(here, "..", "packages", "pack.ts")], { stdio: "inherit" });
