/** Debian's packages, without questions and without starting what they bring. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

/** Installs packages, as root on Debian and its kin; elsewhere it does nothing. What fails is told, and throws nothing. */
export async function aptInstall(packages: readonly string[], tell: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  const run = async (...args: string[]): Promise<void> => {
    tell(`apt-get ${args.join(" ")} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await promisify(execFile)("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], { env, maxBuffer: 1e8 });
  };
  // Debian starts a server as soon as it is installed, unless this says no. A container image often has one already.
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await run("update", "-qq").catch((error: unknown) => tell(`apt-get update: ${reason(error)}; trying without`));
    await run("install", "-y", "--no-install-recommends", ...packages);
  } catch (error) {
    tell(`The installation failed: ${reason(error)}`);
  } finally {
    if (ours) await rm(policy);
  }
}

function reason(error: unknown): string {
  const { stderr, message } =
    error instanceof Error ? { stderr: "", ...error, message: error.message } : { stderr: "", message: String(error) };
  return String(stderr).trim().split("\n").slice(-5).join("\n") || message;
}
