/** Runs every test file in a process of its own: `node ops/harness/run.ts [--only <substring>] [--bail] [--json]`. */
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { cacheFolder } from "../../runtime/packages/use.ts";
import { makeTemplate } from "./databases.ts";
import { install, mailClients, operatorTools, services, type Service } from "./install.ts";
import { launch, ownFolder } from "./process.ts";
import { startPostgres, startRabbit, startRedis, type Server } from "./services.ts";
import { isPatient, nextPatient } from "./patient.ts";
import { databasePrefix, testPostgres, type SharedServers } from "./test.ts";
import { readTotals, type Totals } from "./totals.ts";

const atOnce = 2;
const fileLimit = 180; // seconds

interface Run {
  file: string;
  totals: Totals;
  output: string;
  /** Seconds. */
  took: number;
  /** What the report says of it. */
  line: string;
}

const root = join(import.meta.dirname, "../..");
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    bail: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
/** What one file's process has compiled, the next need not. */
const compiled = { NODE_COMPILE_CACHE: join(cacheFolder(root), "compiled"), NODE_COMPILE_CACHE_PORTABLE: "1" };
const tell = (line: string): void => console.error(line);
const say = (line: string): void => (options.json ? undefined : console.log(line));
const seconds = (since: number): number => Math.round((performance.now() - since) / 100) / 10;

const began = performance.now();
const sum = { passed: 0, failed: 0, skipped: 0 };
const unwell: string[] = [];
const files = await findFiles();
if (files.length > 0) {
  const { env, servers } = await startShared();
  await runAll(files, env);
  await Promise.all(servers.map((server) => server.close()));
}
report();

async function findFiles(): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob("{functions,lib,runtime,ops}/**/*.test.ts", {
    cwd: root,
    exclude: ["**/node_modules"],
  })) {
    if (file.includes(options.only)) found.push(file);
  }
  return found.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** The slow ones first, so that none of them is left running alone at the end; and of them those last that may come between. */
function rank(file: string): string {
  const place = isPatient(file) ? 1 : file.startsWith("ops/e2e/") ? 0 : file.startsWith("ops/") ? 2 : 3;
  return place + file;
}

async function startShared(): Promise<{ env: SharedServers; servers: Server[] }> {
  const missing = await install(tell, [...services, ...mailClients, ...operatorTools]);
  const from = performance.now();
  tell(`Starting ${services.filter((service) => !missing.includes(service)).join(", ")} …`);
  const unless = async <T>(service: Service, start: () => Promise<T>): Promise<T | undefined> =>
    missing.includes(service) ? undefined : await start();
  const [postgres, redis, rabbit] = await Promise.all([
    unless("PostgreSQL", () => startPostgres(testPostgres)),
    unless("Redis", () => startRedis({ durable: false })),
    unless("RabbitMQ", startRabbit),
  ]);
  tell(`… they serve after ${seconds(from)} s.`);
  return {
    servers: [postgres, redis, rabbit].filter((server) => server !== undefined),
    env: {
      ...(postgres && {
        TEST_POSTGRES_URL: postgres.url,
        TEST_POSTGRES_TEMPLATE: await makeTemplate(postgres.url),
      }),
      ...(redis && { TEST_REDIS_URL: redis.url }),
      ...(rabbit && { TEST_RABBITMQ_URL: rabbit.url, TEST_RABBITMQ_CONTROL_PORT: String(rabbit.controlPort) }),
    },
  };
}

async function runAll(all: string[], env: SharedServers): Promise<void> {
  const waiting = [...all];
  const again: Run[] = [];
  let done = 0;
  const lane = async (next: () => string | undefined | Promise<string | undefined>): Promise<void> => {
    for (let file = await next(); file !== undefined; file = await next()) {
      const run = await runFile(file, env);
      note(run, `${++done}/${all.length}`);
      if (run.totals.failed === 0) count(run);
      else again.push(run);
      if (run.totals.failed > 0 && options.bail) waiting.length = 0;
    }
  };
  const lanes = Array.from({ length: atOnce }, () => lane(() => waiting.shift()));
  await Promise.all([...lanes, lane(() => nextPatient(waiting))]);
  await runAgain(again, env);
  if (done < all.length) say(`\n--bail: ${all.length - done} of ${all.length} files were not run.`);
}

/**
 * What failed beside another file runs once more, alone: a story with a time in it may fail for want of a processor. What
 * passes then counts as passed, and the report names it as unsteady.
 */
async function runAgain(failed: Run[], env: SharedServers): Promise<void> {
  const few = failed.length <= 5 && !options.bail; // more than that is no accident
  for (const first of failed) {
    const second = few ? await runFile(first.file, env) : first;
    if (few) note(second, "again");
    if (second.totals.failed === 0) unwell.push(`unsteady: ${first.line}`);
    count(second);
  }
}

async function runFile(file: string, env: SharedServers): Promise<Run> {
  const from = performance.now();
  const folder = ownFolder("run");
  const log = join(folder, "output");
  const { FORCE_COLOR: _, ...inherited } = process.env;
  const running = launch({
    command: process.execPath,
    args: ["--import", join(root, "runtime/packages/register.ts"), join(root, file)],
    cwd: root,
    env: { ...inherited, NO_COLOR: "1", ...compiled, ...env },
    log,
  });
  const clock = new AbortController();
  const late = wait(fileLimit * 1000, true, { signal: clock.signal }).catch(() => false);
  const overdue = await Promise.race([late, running.ended().then(() => false)]);
  clock.abort();
  await running.end("SIGKILL", 10_000); // whatever it started and left running, too
  const { code, signal } = await running.ended();
  await dropDatabases(running.pid, env.TEST_POSTGRES_URL);
  const output = await readFile(log, "utf8");
  const totals = readTotals({ output, code, signal, ...(overdue && { overdue: fileLimit }) });
  return { file, totals, output, took: seconds(from), line: lineOf(file, totals, seconds(from)) };
}

/** Databases are 7 MB each: without this, a full run would fill a small machine's disk. */
async function dropDatabases(pid: number, url: string | undefined): Promise<void> {
  if (url === undefined) return;
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const like = `${databasePrefix(pid).replaceAll("_", String.raw`\_`)}%`;
    const { rows } = await client.query<{ datname: string }>("SELECT datname FROM pg_database WHERE datname LIKE $1", [
      like,
    ]);
    for (const { datname } of rows) await client.query(`DROP DATABASE ${datname} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}

function lineOf(file: string, totals: Totals, took: number): string {
  const { failed, skipped, fault } = totals;
  const mark = failed > 0 ? "FAIL" : skipped > 0 ? "skip" : "ok  ";
  return `${mark} ${file.padEnd(52)} ${counts(totals)}  ${took.toFixed(1)} s${fault === undefined ? "" : `  (${fault})`}`;
}

function note({ file, totals, output, took, line }: Run, progress: string): void {
  const { failed } = totals;
  if (options.json) console.log(JSON.stringify({ file, ...totals, seconds: took, ...(failed > 0 && { output }) }));
  say(`${progress.padStart(7)} ${line}`);
  if (failed > 0) say(output.trimEnd().replaceAll(/^/gm, "        | "));
  else for (const [reason] of output.matchAll(/SKIPPED: .*/g)) say(`        | ${reason}`);
}

/** Adds a file's last run to the sum. */
function count({ totals, line }: Run): void {
  sum.passed += totals.passed;
  sum.failed += totals.failed;
  sum.skipped += totals.skipped;
  if (totals.failed > 0 || totals.skipped > 0) unwell.push(line);
}

function report(): void {
  const none = sum.passed + sum.failed === 0;
  process.exitCode = sum.failed > 0 || none ? 1 : 0;
  if (options.json) return console.log(JSON.stringify({ ...sum, seconds: seconds(began) }));
  if (unwell.length > 0) say(`\n${unwell.join("\n")}`);
  if (none) say(options.only === "" ? "\nNo test ran." : `\nNo test ran: no file's name contains "${options.only}".`);
  say(`\n${files.length} files in ${seconds(began)} s`);
  say(counts(sum));
}

function counts({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
