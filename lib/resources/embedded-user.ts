/** As whom the embedded PostgreSQL runs. It refuses uid 0, so a process of root needs somebody to run it as. */
import { spawn } from "node:child_process";
import { chown, lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface Finished {
  code: number;
  output: string;
}

/** Runs PostgreSQL's programs as one user. */
export interface RunAs {
  /** Owner that the server's files need, as this process sees it. `undefined`: whatever this process creates is right. */
  readonly owner: { uid: number; gid: number } | undefined;
  /** Runs a program to its end in `cwd`. Never throws: a program that could not be started has code 127. */
  run(program: string, args: readonly string[], cwd: string): Promise<Finished>;
}

/**
 * Finds a user that can run `program` on the folder `place`, which exists and becomes owned by that user.
 * Throws one sentence with the remedies when nobody can.
 */
export async function chooseUser(place: string, program: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return runAs(undefined);
  const data = await ownerOf(join(place, "data"));
  const users = [data, await userNamed("postgres"), await userNamed("nobody"), await ownerOf(join(place, ".."))]
    .filter((user) => user !== undefined && user.uid !== 0)
    .map((user) => runAs(user));
  // Only root can enter a folder such as /root. In a user namespace the kernel shows PostgreSQL another uid, yet it keeps root's access.
  const disguised = runAs({ uid: 0, gid: 0 }, (await userNamed("nobody")) ?? { uid: 65534, gid: 65534 });
  // Data of root's was made in disguise, and its server may still be running so.
  for (const user of data?.uid === 0 ? [disguised, ...users] : [...users, disguised]) {
    if (user.owner) await chown(place, user.owner.uid, user.owner.gid);
    const check = await user.run(
      "/bin/sh",
      ["-c", '"$1" -V && test -w "$2" && test -x "$2"', "sh", program, place],
      "/",
    );
    if (check.code === 0) return user;
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and no other user can enter ${place} and ${program}. ` +
      "Move the project to a folder that others may enter, set DATA_DIR to such a folder, or set DATABASE_URL.",
  );
}

function runAs(owner: RunAs["owner"], disguise?: { uid: number; gid: number }): RunAs {
  const prefix = disguise
    ? ["unshare", "--user", `--map-user=${disguise.uid}`, `--map-group=${disguise.gid}`, "--"]
    : [];
  const switchTo = owner && !disguise ? owner : {};
  return {
    owner,
    async run(program, args, cwd) {
      const [file = program, ...rest] = [...prefix, program, ...args];
      const child = spawn(file, rest, {
        cwd,
        ...switchTo,
        // Its own session, so that Ctrl-C reaches only us; its own environment, so that no PGDATA or LANG of the shell's changes it.
        detached: true,
        env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const code = new Promise<number | Error>((done) => {
        child.once("error", done);
        child.once("close", (exit) => done(exit ?? 128));
      });
      const [out, err, ended] = await Promise.all([text(child.stdout), text(child.stderr), code]);
      return ended instanceof Error
        ? { code: 127, output: ended.message }
        : { code: ended, output: `${out}${err}`.trim() };
    },
  };
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | undefined> {
  return lstat(path).catch(() => undefined);
}

async function userNamed(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const users = await readFile("/etc/passwd", "utf8").catch(() => "");
  const [, , uid, gid] =
    users
      .split("\n")
      .find((line) => line.startsWith(`${name}:`))
      ?.split(":") ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}
