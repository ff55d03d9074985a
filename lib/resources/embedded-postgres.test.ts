import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmod, chown, lstat, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, temporaryFolder } from "../../ops/harness/test.ts";
import { openEmbeddedPostgres } from "./embedded-postgres.ts";

const log = pino({ level: "silent" });
const test = suite("embedded PostgreSQL");
const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

const open = (folder: string, role: "owner" | "guest" = "owner") => openEmbeddedPostgres({ folder, role, log });

/** A process of its own that opens the folder and stays until SIGTERM. Says what it got, or why not. */
interface Other {
  child: ChildProcess;
  said: Promise<{ url: string; adopted: boolean; error?: string }>;
  ended: Promise<unknown>;
}

function openElsewhere(folder: string, user: { uid?: number; gid?: number } = {}): Other {
  const program = `
    import { openEmbeddedPostgres } from ${JSON.stringify(import.meta.resolve("./embedded-postgres.ts"))};
    import { pino } from ${JSON.stringify(import.meta.resolve("pino"))};
    const wait = setInterval(() => {}, 1000);
    try {
      const { url, adopted, close } = await openEmbeddedPostgres({ folder: ${JSON.stringify(folder)}, role: "owner", log: pino.default({ level: "silent" }) });
      process.once("SIGTERM", () => close().then(() => clearInterval(wait)));
      console.log(JSON.stringify({ url, adopted }));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message }));
      clearInterval(wait);
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: "/",
    stdio: ["ignore", "pipe", "inherit"],
    ...user,
  });
  const lines = createInterface({ input: child.stdout });
  return {
    child,
    said: new Promise((resolve, reject) => {
      lines.once("line", (line) => resolve(JSON.parse(line)));
      child.once("close", () => reject(new Error("the other process ended without a word")));
    }),
    ended: new Promise((resolve) => child.once("close", resolve)),
  };
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("expected an error");
  return error.message;
}

async function serverPid(folder: string): Promise<number> {
  return Number((await readFile(join(folder, "postgres/data/postmaster.pid"), "utf8")).split("\n")[0]);
}

test("starts in an empty folder, and a restart keeps what was written", async () => {
  const folder = join(await temporaryFolder(), "new", ".data");
  const first = await open(folder);
  assert.is(first.adopted, false);
  await ask(first.url, "CREATE TABLE mails (subject text)");
  await ask(first.url, "INSERT INTO mails VALUES ('Grüße 郵件')");
  const [settings] = await ask(
    first.url,
    `SELECT current_database() AS db, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
            current_setting('server_encoding') AS encoding, current_setting('listen_addresses') AS listen, upper('ä') AS upper`,
  );
  assert.equal(settings, { db: "postroom", fsync: "on", commit: "on", encoding: "UTF8", listen: "", upper: "Ä" });
  await first.close();
  await first.close();

  const second = await open(folder);
  assert.is(second.adopted, false);
  assert.equal(await ask(second.url, "SELECT * FROM mails"), [{ subject: "Grüße 郵件" }]);
  await second.close();
  assert.is((await stat(join(folder, "postgres"))).mode & 0o777, 0o700);
});

test("an owner killed with -9 leaves the server running, and the next owner adopts it", async () => {
  const folder = await temporaryFolder();
  const killed = openElsewhere(folder);
  await killed.said;
  const pid = await serverPid(folder);
  killed.child.kill("SIGKILL");
  await killed.ended;

  const heir = await open(folder);
  assert.is(heir.adopted, true);
  assert.is(await serverPid(folder), pid);
  await heir.close();
  assert.match(await refusal(ask(heir.url, "SELECT 1")), /ENOENT|ECONNREFUSED/);
});

test("a second owner is told who has the folder", async () => {
  const folder = await temporaryFolder();
  const first = await open(folder);
  const { error } = await openElsewhere(folder).said;
  assert.is(
    error,
    `Another process (pid ${process.pid}) already runs on ${folder}. Stop it first, or set DATA_DIR to another folder.`,
  );
  assert.equal(await ask(first.url, "SELECT 1 AS one"), [{ one: 1 }]);
  await first.close();
});

test("of four that start at the same moment on an empty folder one wins, and the others are told", async () => {
  const folder = await temporaryFolder();
  const four = [1, 2, 3, 4].map(() => openElsewhere(folder));
  const said = await Promise.all(four.map((other) => other.said));
  const winners = four.filter((_, i) => said[i]?.error === undefined);
  assert.is(winners.length, 1, JSON.stringify(said));
  for (const { error } of said) if (error) assert.match(error, `(pid ${winners[0]?.child.pid}) already runs on`);
  winners[0]?.child.kill("SIGTERM");
  await Promise.all(four.map((other) => other.ended));
});

test("a guest uses the owner's server and leaves it running; alone it starts and stops one", async () => {
  const folder = await temporaryFolder();
  const alone = await open(folder, "guest");
  assert.is(alone.adopted, false);
  await alone.close();
  await refusal(ask(alone.url, "SELECT 1"));

  const owner = await open(folder);
  const guest = await open(folder, "guest");
  assert.is(guest.adopted, true);
  await guest.close();
  assert.equal(await ask(owner.url, "SELECT 1 AS one"), [{ one: 1 }]);
  await owner.close();
});

test("a stale pid file does not matter: nobody has the pid, or another program has it", async () => {
  const folder = await temporaryFolder();
  await (await open(folder)).close();
  const pidFile = join(folder, "postgres/data/postmaster.pid");
  const owner = await lstat(join(folder, "postgres/data"));
  // As the server's own user, whose processes PostgreSQL itself takes for a running server.
  const other = spawn("sleep", ["1000"], isRoot ? { uid: owner.uid, gid: owner.gid } : {});
  for (const pid of [99999998, other.pid]) {
    await writeFile(pidFile, `${pid}\n${join(folder, "postgres/data")}\n1\n5432\n${join(folder, "postgres")}\n\n`);
    await chown(pidFile, owner.uid, owner.gid);
    const started = await open(folder);
    assert.is(started.adopted, false);
    assert.equal(await ask(started.url, "SELECT 1 AS one"), [{ one: 1 }]);
    await started.close();
  }
  other.kill();
});

test("a server that dies is started again by its owner, with its data", async () => {
  const folder = await temporaryFolder();
  const owner = await open(folder);
  await ask(owner.url, "CREATE TABLE kept AS SELECT 7 AS seven");
  process.kill(await serverPid(folder), "SIGKILL");
  await eventually(async () => (await ask(owner.url, "SELECT * FROM kept"))[0]?.["seven"] === 7, {
    what: "the server is back",
    within: 30_000,
  });
  await owner.close();
});

test("an owner keeps its lock when an operator ends every connection", async () => {
  const folder = await temporaryFolder();
  const owner = await open(folder);
  await ask(owner.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'");
  await eventually(
    async () => (await ask(owner.url, "SELECT FROM pg_locks WHERE locktype = 'advisory'")).length === 1,
    { what: "the lock is taken again" },
  );
  assert.match(await refusal(open(folder)), "already runs on");
  await owner.close();
});

test("a long path, a path with characters of the shell", async () => {
  const base = await temporaryFolder();
  for (const name of ["long".repeat(40), `a b$HOME,'"ü`]) {
    const postgres = await open(join(base, name));
    assert.equal(await ask(postgres.url, "SELECT 1 AS one"), [{ one: 1 }]);
    await postgres.close();
  }
});

test("says in one sentence that the folder cannot be written, or is of another PostgreSQL", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "");
  assert.match(await refusal(open(join(folder, "file"))), /cannot be written: .* Set DATA_DIR to another folder\.$/);

  await (await open(folder)).close();
  await writeFile(join(folder, "postgres/data/PG_VERSION"), "9\n");
  assert.match(await refusal(open(folder)), /is of PostgreSQL 9, and this version brings PostgreSQL \d+\. Dump it/);
});

test("when a start fails, the error carries the end of the server's log", async () => {
  const folder = await temporaryFolder();
  await (await open(folder)).close();
  await writeFile(join(folder, "postgres/data/postgresql.auto.conf"), "shared_buffers = nonsense\n");
  assert.match(await refusal(open(folder)), 'invalid value for parameter "shared_buffers": "nonsense"');
});

if (isRoot) {
  test("root: the server runs as another user", async () => {
    const folder = await temporaryFolder();
    const postgres = await open(folder);
    assert.is.not((await lstat(join(folder, "postgres/data"))).uid, 0);
    assert.is((await lstat(folder)).uid, 0);
    await postgres.close();
  });

  test("root: in a folder that only root may enter it works by a user namespace", async () => {
    const namespaces = spawnSync("unshare", ["--user", "--map-user=65534", "--map-group=65534", "true"]);
    if (namespaces.status !== 0) return console.warn("SKIPPED: this kernel gives no user namespaces");
    const folder = join(await temporaryFolder(), "private");
    await mkdir(folder);
    await chmod(folder, 0o700);
    const killed = openElsewhere(folder);
    await killed.said;
    killed.child.kill("SIGKILL");
    await killed.ended;
    const heir = await open(folder);
    assert.is(heir.adopted, true);
    assert.equal(await ask(heir.url, "SELECT 1 AS one"), [{ one: 1 }]);
    await heir.close();
  });

  test("an ordinary user needs no privileges", async () => {
    const folder = await temporaryFolder();
    await chown(folder, nobody.uid, nobody.gid);
    const other = openElsewhere(folder, nobody);
    const { url, error } = await other.said;
    assert.is(error, undefined);
    assert.equal(await ask(url, "SELECT 1 AS one"), [{ one: 1 }]);
    assert.is((await lstat(join(folder, "postgres/data"))).uid, nobody.uid);
    other.child.kill("SIGTERM");
    await other.ended;
  });
} else {
  console.warn("SKIPPED: running as root and as another user; start the tests as root for that");
}

test.run();
