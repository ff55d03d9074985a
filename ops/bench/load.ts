/** The load generator: wrk, or autocannon where that cannot be had. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { onCore } from "./app.ts";
import { aptInstall } from "../harness/apt.ts";

const run = promisify(execFile);

export const connections = 64;

const wrk = "/usr/bin/wrk";
export const generator = (): string => (existsSync(wrk) ? "wrk" : "autocannon");

export interface Load {
  url: string;
  seconds: number;
  /** A JSON body; the request is then a POST. */
  body?: string;
  authorization?: string;
  /** Keeps the generator on this core. */
  core?: number;
}

/** Installs wrk where this may. */
export async function installGenerator(tell: (line: string) => void): Promise<void> {
  if (existsSync(wrk)) return;
  await aptInstall(["wrk"], tell);
  if (!existsSync(wrk)) tell("wrk is not installed; autocannon takes its place. It needs more of the machine itself.");
}

/**
 * Sends one request over and over, on 64 connections.
 *
 * @throws when a reply is no success, or a connection fails.
 */
export async function load(options: Load): Promise<Loaded> {
  const found = generator() === "wrk" ? await byWrk(options) : await byAutocannon(options);
  if (found.failed > 0) throw new Error(`${options.url}: ${found.failed} requests failed, ${found.replies} did not`);
  return { ...found, perSecond: found.replies / found.seconds };
}

export interface Loaded extends Found {
  perSecond: number;
}

interface Found {
  replies: number;
  seconds: number;
  failed: number;
  p50Ms: number;
  p99Ms: number;
}

async function byWrk({ url, seconds, body, authorization, core }: Load): Promise<Found> {
  const script = join(import.meta.dirname, "wrk.lua");
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, url];
  const { command, args: all } = onCore(core, wrk, args);
  const env = {
    ...(body !== undefined && { BODY: body }),
    ...(authorization !== undefined && { AUTHORIZATION: authorization }),
  };
  const { stdout } = await run(command, all, { env });
  // wrk.lua writes it.
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Found;
}

async function byAutocannon({ url, seconds, body, authorization, core }: Load): Promise<Found> {
  const program = createRequire(import.meta.url).resolve("autocannon");
  const args = [program, "--json", "-c", `${connections}`, "-d", `${seconds}`, "-t", "10"];
  if (authorization !== undefined) args.push("-H", `Authorization=${authorization}`);
  if (body !== undefined) args.push("-m", "POST", "-H", "Content-Type=application/json", "-b", body);
  const { command, args: all } = onCore(core, process.execPath, [...args, url]);
  const { stdout } = await run(command, all, { maxBuffer: 1e7 });
  // As autocannon documents its result.
  const result = JSON.parse(stdout) as {
    "2xx": number;
    non2xx: number;
    errors: number;
    duration: number;
    latency: { p50: number; p99: number };
  };
  const { duration, latency } = result;
  const failed = result.non2xx + result.errors;
  return { replies: result["2xx"], seconds: duration, failed, p50Ms: latency.p50, p99Ms: latency.p99 };
}
