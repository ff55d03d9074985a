/** Starts what is measured: peers, and this system through its own command line. */
import { existsSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { eventually } from "../harness/eventually.ts";
import { lastLines, launch, ownFolder } from "../harness/process.ts";
import { freePort } from "../harness/server.ts";
import { cpuSeconds, peakBytes } from "./processes.ts";

export const root = join(import.meta.dirname, "../..");
export const results = join(import.meta.dirname, "results");

const taskset = "/usr/bin/taskset";

/** A command line that stays on one core, where the system can do that. */
export function onCore(core: number | undefined, command: string, args: readonly string[]) {
  if (core === undefined || !existsSync(taskset) || availableParallelism() < 2) return { command, args: [...args] };
  return { command: taskset, args: ["-c", `${core}`, command, ...args] };
}

export interface Profile {
  file: string;
  /** When the program began to serve, in microseconds of the system's monotonic clock, which is also that of V8. */
  from: number;
}

export interface AppOptions {
  name: string;
  /** Of Node: the program and its arguments. */
  args: readonly string[];
  /** Answers with 2xx once it serves; without it the program need not serve anything. */
  readyPath: string;
  /** The variables that it reads. Of ours it gets only PATH and HOME. */
  env: (port: number) => Readonly<Record<string, string>>;
  cwd?: string;
  core?: number;
  /** A CPU profile to write when it ends. */
  profile?: Profile | undefined;
}

export interface App {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Processor time that it has used so far, in seconds; NaN where the system does not tell. */
  cpuSeconds(): number;
  /** The most memory that it has had so far, in bytes; NaN where the system does not tell. */
  peakBytes(): number;
  /** Ends it in good order. */
  stop(): Promise<void>;
}

/** Starts a program of Node on a port of its own, and returns when it serves. */
export async function startApp({ name, args, readyPath, env, cwd = root, core, profile }: AppOptions): Promise<App> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { PATH = "", HOME = "/" } = process.env;
  mkdirSync(results, { recursive: true });
  const flags =
    profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${results}`, `--cpu-prof-name=${profile.file}`];
  const log = join(ownFolder("app"), "output.log");
  const line = onCore(core, process.execPath, [...flags, ...args]);
  const running = launch({ ...line, cwd, log, env: { PATH, HOME, ...env(port) } });
  const stop = () => running.end("SIGTERM", 30_000);
  try {
    const serves = async () => running.exit !== undefined || (await fetch(url + readyPath)).ok;
    await eventually(serves, { what: `${name} serves`, within: 30_000 });
    if (running.exit) throw new Error(`${name} ended`);
  } catch (cause) {
    await stop();
    throw new Error(`${name} did not start:\n${await lastLines(log)}`, { cause });
  }
  if (profile) profile.from = Number(process.hrtime.bigint() / 1000n);
  const { pid } = running;
  return { name, url, port, pid, stop, cpuSeconds: () => cpuSeconds(pid), peakBytes: () => peakBytes(pid) };
}

/** Starts `fn start` in a project: this one unless told. */
export function startHouse(
  options: Pick<AppOptions, "name" | "cwd" | "core" | "profile"> & { env: Readonly<Record<string, string>> },
): Promise<App> {
  return startApp({
    ...options,
    args: [join(root, "runtime/cli/main.mjs"), "start"],
    readyPath: "/health/ready",
    env: (port) => ({ API_PORT: String(port), ...options.env }),
  });
}
