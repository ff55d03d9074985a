/** Processes and folders that do not outlive this process, however it ends: by itself, by a signal, or by kill -9. */
import { spawn } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./eventually.ts";

export interface Launch {
  command: string;
  args: readonly string[];
  /** Output is added to this file. */
  log: string;
  cwd: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** How it is ended when we end without having ended it; SIGKILL unless told. */
  lastSignal?: NodeJS.Signals;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Set when it could not even be started. */
  error?: Error;
}

export interface Running {
  readonly pid: number;
  /** Set once it has ended. */
  readonly exit: Exit | undefined;
  /** Returns when the process has ended; until then this process stays alive, too. */
  ended(): Promise<Exit>;
  /** Sends the signal to the process and to all it started: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal to the process alone, and returns when it and all it started have ended. */
  end(signal: NodeJS.Signals, within: number): Promise<void>;
}

// Waits for us to be gone (its stdin closes), ends what is left, and removes our folder, with what is mounted in it.
const reaperScript = `
cat >/dev/null
alive() { kill -0 "$1" 2>/dev/null && ! grep -qs ') Z ' "/proc/$1/stat"; }
for f in "$0"/pids/*; do [ -f "$f" ] && kill -s "$(cat "$f")" -- "-\${f##*/}" 2>/dev/null; done
for f in "$0"/pids/*; do
  p="\${f##*/}"; n=0
  while [ $n -lt 100 ] && alive "$p"; do n=$((n+1)); sleep 0.05; done
  kill -KILL -- "-$p" 2>/dev/null
done
for d in "$0"/*; do mountpoint -q "$d" 2>/dev/null && umount -l "$d"; done
for n in 1 2 3 4 5; do rm -rf "$0" && break; sleep 0.2; done`;

let home: string | undefined;

function ownHome(): string {
  if (home !== undefined) return home;
  home = mkdtempSync(join(tmpdir(), "postroom-"));
  chmodSync(home, 0o711); // a server under another user has to get to its folder
  mkdirSync(join(home, "pids"));
  const reaper = spawn("/bin/sh", ["-c", reaperScript, home], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  reaper.unref();
  if (reaper.stdin instanceof Socket) reaper.stdin.unref();
  return home;
}

/** A new empty folder, removed when this process ends. */
export function ownFolder(name: string): string {
  const folder = mkdtempSync(join(ownHome(), `${name}-`));
  chmodSync(folder, 0o755);
  return folder;
}

/** Starts a process in a group of its own. It does not keep this process alive, and does not outlive it. */
export function launch({ command, args, log, lastSignal = "SIGKILL", ...options }: Launch): Running {
  const pids = join(ownHome(), "pids");
  const output = openSync(log, "a");
  const child = spawn(command, args, { ...options, detached: true, stdio: ["ignore", output, output] });
  closeSync(output);
  child.unref();

  const pid = child.pid ?? 0;
  const mark = join(pids, String(pid));
  if (pid > 0) writeFileSync(mark, lastSignal.slice("SIG".length));

  let exit: Exit | undefined;
  const { promise, resolve } = Promise.withResolvers<Exit>();
  child.once("exit", (code, signal) => resolve((exit = { code, signal })));
  child.once("error", (error) => resolve((exit ??= { code: null, signal: null, error })));

  return {
    pid,
    get exit() {
      return exit;
    },
    async ended() {
      child.ref();
      return await promise;
    },
    signal(signal) {
      if (pid === 0) return;
      for (const one of [-pid, ...childrenOf(pid)]) send(one, signal);
    },
    async end(signal, within) {
      if (pid === 0) return; // never started; and 0 would be our own group
      const children = childrenOf(pid);
      child.ref();
      if (exit === undefined) send(signal === "SIGKILL" ? -pid : pid, signal);
      try {
        await eventually(() => exit, { within, what: `${command} ends by ${signal}` });
      } finally {
        for (const one of [-pid, ...children]) send(one, "SIGKILL");
        await eventually(() => !children.some(isAlive), { what: `all that ${command} started is gone` });
        rmSync(mark, { force: true });
      }
    },
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already, which is all that a signal is for here.
  }
}

/** PostgreSQL's children leave the process group, so a kill of the group alone would leave them to notice by themselves. */
function childrenOf(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return list.split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // ended, or not Linux
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // In a container without an init, orphans stay as zombies for ever.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return process.platform !== "linux";
  }
}

/** The end of a log, for an error. */
export async function lastLines(log: string, count = 20): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "(no output)");
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
