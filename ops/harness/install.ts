/** Where the programs are that tests work with, and how they come onto a machine that lacks them. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { aptInstall } from "./apt.ts";

export const services = ["PostgreSQL", "Redis", "RabbitMQ"] as const;
export type Service = (typeof services)[number];

/** What people and old systems send mail with. */
export const mailClients = ["curl", "msmtp", "Python", "smtp-source", "swaks"] as const;
export type MailClient = (typeof mailClients)[number];

/** What an operator puts before the system, and checks files with. */
export const operatorTools = ["HAProxy", "docker-compose", "promtool", "amtool"] as const;
export type OperatorTool = (typeof operatorTools)[number];
export type Program = Service | MailClient | OperatorTool;

const packages: Record<Program, string> = {
  PostgreSQL: "postgresql",
  Redis: "redis-server",
  RabbitMQ: "rabbitmq-server",
  curl: "curl",
  msmtp: "msmtp",
  Python: "python3",
  "smtp-source": "postfix",
  swaks: "swaks libnet-ssleay-perl",
  HAProxy: "haproxy",
  "docker-compose": "docker-compose",
  promtool: "prometheus",
  amtool: "prometheus-alertmanager",
};

/** Thrown where a test asks for a program that this machine does not have. The runner counts that test as skipped. */
export class Missing extends Error {
  override name = "Missing";
  constructor(program: Program) {
    super(`SKIPPED: ${program} is not installed. To install it: ${installCommand([program])}`);
  }
}

/** Where it is; of PostgreSQL `postgres`, with `initdb` beside it. */
export function locate(program: Program): string | undefined {
  switch (program) {
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
    case "Python":
      // The system's own; what else is on the PATH may be anything.
      return ["/usr/bin/python3"].find(existsSync) ?? onPath("python3");
    case "HAProxy":
      return onPath("haproxy");
    case "swaks": {
      const hasTls = spawnSync("perl", ["-MNet::SSLeay", "-e", "1"]).status === 0;
      return hasTls ? onPath("swaks") : undefined;
    }
    default:
      return onPath(program);
  }
}

/** @throws {Missing} where this machine does not have it. */
export function programOf(program: Program): string {
  const path = locate(program);
  if (path === undefined) throw new Missing(program);
  return path;
}

function onPath(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin"];
  return folders.map((folder) => join(folder, program)).find(existsSync);
}

export function installCommand(missing: readonly Program[]): string {
  return `apt-get install -y --no-install-recommends ${missing.map((program) => packages[program]).join(" ")}`;
}

/**
 * Installs what is missing, as root on Debian and its kin; elsewhere it changes nothing. What is installed is not started.
 * Progress goes to `tell`. Returns what is still missing.
 */
export async function install(tell: (line: string) => void, wanted: readonly Program[] = services): Promise<Program[]> {
  const missing = wanted.filter((program) => locate(program) === undefined);
  const wantedPackages = missing.flatMap((program) => packages[program].split(" "));
  if (missing.length > 0) await aptInstall(wantedPackages, tell);
  const left = wanted.filter((program) => locate(program) === undefined);
  if (left.length > 0) {
    tell(`\n!! ${left.join(" and ")} not found: every test that needs it will be SKIPPED.`);
    tell(`!! To run them all, as root: ${installCommand(left)}\n`);
  }
  return left;
}
