/** Brings the peers onto the machine: apart from the project, whose own installation stays small. */
import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = import.meta.dirname;

// The Node that runs this, and not whatever the machine has.
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };

/** Installs what the lock file names, unless that has been done. */
export async function installPeers(tell: (line: string) => void): Promise<void> {
  const lock = join(here, "package-lock.json");
  const installed = join(here, "node_modules/.package-lock.json");
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    tell("npm ci --prefix ops/bench …");
    await run("npm", ["ci", "--prefix", here, "--no-audit", "--no-fund"], { env });
  }
}

/** Installs the peers, and builds Nitro's for production. */
export async function preparePeers(tell: (line: string) => void): Promise<void> {
  await installPeers(tell);
  tell("nitro build …");
  const nitro = join(here, "node_modules/nitro/dist/cli/index.mjs");
  await run(process.execPath, [nitro, "build"], { env, cwd: join(here, "peers/nitro") });
}
