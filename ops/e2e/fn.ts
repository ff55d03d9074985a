/** The command line as a child process. It ends with the test. */
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { lastLines, launch, ownFolder, type Exit, type Running } from "../harness/process.ts";

export const project = join(import.meta.dirname, "../..");

export type Variables = Readonly<Record<string, string>>;

export interface Finished extends Exit {
  stdout: string;
  stderr: string;
  ms: number;
}

/** Runs `fn` with these arguments to its end. Throws when that takes longer than `within` milliseconds. */
export async function runFn(
  args: readonly string[],
  { env = {}, root = project, within = 20_000 }: { env?: Variables; root?: string; within?: number } = {},
): Promise<Finished> {
  const folder = ownFolder("fn");
  const started = performance.now();
  const { running } = spawnFn(args, { env: { DATA_DIR: join(folder, "data"), ...env }, root, folder });
  const late = pause(within, undefined, { ref: false });
  const exit = await Promise.race([running.ended(), late]);
  if (!exit) {
    await running.end("SIGKILL", 5000);
    throw new Error(`fn ${args.join(" ")} did not end within ${within} ms:\n${(await readOutput(folder)).stderr}`);
  }
  return { ...exit, ...(await readOutput(folder)), ms: performance.now() - started };
}

export interface Child {
  running: Running;
  lastWords(): Promise<string>;
}

/** Nothing of the machine's own environment or the project's `.env` reaches it. Its SMTP ports are closed unless a test opens them. */
const bare: Variables = {
  ...Object.fromEntries(
    ["DATABASE_URL", "RABBITMQ_URL", "KEYDB_URL", "SENDGRID_API_KEY", "ORG_EMAIL_DOMAIN", "JWT_SECRET"].map((name) => [
      name,
      "",
    ]),
  ),
  SMTP_INBOUND_PORT: "0",
  SMTP_INBOUND_TLS_PORT: "0",
};

/** Starts `fn` in a process of its own, with standard output and standard error in files of the folder. */
export function spawnFn(
  args: readonly string[],
  { env, root, folder }: { env: Variables; root: string; folder: string },
): Child {
  const { PATH = "", HOME = "" } = process.env;
  const running = launch({
    command: "/bin/sh",
    args: [
      "-c",
      'exec "$@" 2>>"$0"',
      join(folder, "stderr"),
      process.execPath,
      join(root, "runtime/cli/main.mjs"),
      ...args,
    ],
    cwd: root,
    env: { PATH, HOME, NO_COLOR: "1", ...bare, ...env },
    log: join(folder, "stdout"),
  });
  const lastWords = async () =>
    `${await lastLines(join(folder, "stdout"))}\n${await lastLines(join(folder, "stderr"))}`;
  return { running, lastWords };
}

/** What was printed so far. */
export async function readOutput(folder: string): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = await Promise.all(
    ["stdout", "stderr"].map((name) => readFile(join(folder, name), "utf8").catch(() => "")),
  );
  return { stdout: stdout ?? "", stderr: stderr ?? "" };
}

/** Issues an admin's token by the command line, as an operator does. */
export async function createToken({ env, root }: { env: Variables; root: string }): Promise<string> {
  const made = await runFn(["token", "create", "--name", "Test", "--permissions", "admin"], { env, root });
  if (made.code !== 0) throw new Error(`fn token create: ${made.stderr}`);
  return made.stdout.trim();
}

/** A copy of the project's own files, whose functions a test may change. Packages are shared. */
export async function copyProject(): Promise<string> {
  const root = join(ownFolder("project"), "copy");
  await mkdir(root);
  const parts = [
    "functions",
    "lib",
    "runtime",
    "sql",
    "runtime.config.ts",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
  ];
  await Promise.all(parts.map((part) => cp(join(project, part), join(root, part), { recursive: true })));
  await symlink(join(project, "node_modules"), join(root, "node_modules"));
  return root;
}
