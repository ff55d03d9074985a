/** Where the servers' programs are, and how they come onto a machine that lacks them. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export const services = ["PostgreSQL", "Redis", "RabbitMQ"] as const;
export type Service = (typeof services)[number];

const packages: Record<Service, string> = {
  PostgreSQL: "postgresql",
  Redis: "redis-server",
  RabbitMQ: "rabbitmq-server",
};

/** Thrown where a test asks for a server that this machine does not have. The runner counts that test as skipped. */
export class Missing extends Error {
  override name = "Missing";
  constructor(service: Service) {
    super(`SKIPPED: ${service} is not installed. To install it: ${installCommand([service])}`);
  }
}

/** The service's program: `postgres` (with `initdb` beside it), `redis-server`, `rabbitmq-server`. */
export function locate(service: Service): string | undefined {
  switch (service) {
    case "PostgreSQL": {
      const debian = "/usr/lib/postgresql";
      const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
      return versions.map((version) => join(debian, version, "bin/postgres")).find(existsSync) ?? onPath("postgres");
    }
    case "Redis":
      return onPath("redis-server");
    case "RabbitMQ":
      // What Debian puts on the PATH is a wrapper that changes the user and the folder.
      return ["/usr/lib/rabbitmq/bin/rabbitmq-server"].find(existsSync) ?? onPath("rabbitmq-server");
  }
}

function onPath(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin"];
  return folders.map((folder) => join(folder, program)).find(existsSync);
}

export function installCommand(missing: readonly Service[]): string {
  return `apt-get install -y --no-install-recommends ${missing.map((service) => packages[service]).join(" ")}`;
}

/**
 * Installs what is missing, as root on Debian and its kin; elsewhere it changes nothing. What is installed is not started.
 * Progress goes to `tell`. Returns what is still missing.
 */
export async function install(tell: (line: string) => void): Promise<Service[]> {
  const missing = services.filter((service) => locate(service) === undefined);
  if (missing.length > 0 && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    await aptInstall(missing, tell).catch((error: unknown) => tell(`The installation failed: ${reason(error)}`));
  }
  const left = services.filter((service) => locate(service) === undefined);
  if (left.length > 0) {
    tell(`\n!! ${left.join(" and ")} not found: every test that needs it will be SKIPPED.`);
    tell(`!! To run them all, as root: ${installCommand(left)}\n`);
  }
  return left;
}

async function aptInstall(missing: readonly Service[], tell: (line: string) => void): Promise<void> {
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
    await run(...installCommand(missing).split(" ").slice(1));
  } finally {
    if (ours) await rm(policy);
  }
}

function reason(error: unknown): string {
  const { stderr, message } =
    error instanceof Error ? { stderr: "", ...error, message: error.message } : { stderr: "", message: String(error) };
  return String(stderr).trim().split("\n").slice(-5).join("\n") || message;
}
