#!/usr/bin/env node
// Starts the command line on the Node that this project pins, whatever the machine has. Plain JavaScript: it must run
// on the machine's own Node.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const pinned = join(here, "..", "..", "node_modules", "node", "bin", "node");
const node = existsSync(pinned) ? pinned : process.execPath;
const child = spawn(node, [join(here, "main.mjs"), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
