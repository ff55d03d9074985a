import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { lastLines, launch, type Launch, type Running } from "./process.ts";

/** A private server. Its address stays the same over `stop`, `kill` and `start`. It ends with this process. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** Of its first process: undefined while it is stopped. */
  readonly pid: number | undefined;
  /** Everything the server said. */
  readonly log: string;
  /** Ends it in good order; its data stays. */
  stop(): Promise<void>;
  /** Ends it as a power cut would: every process at once by SIGKILL; its data stays. */
  kill(): Promise<void>;
  /** Stops the clock for it: it neither works nor answers, and its connections stay. */
  freeze(): void;
  /** It goes on where it was. */
  thaw(): void;
  /** Starts it again on the same data, and returns when it serves. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

export interface Recipe {
  name: string;
  url: string;
  port: number;
  folder: string;
  process: Omit<Launch, "log" | "cwd">;
  /** The signal that ends it in good order. */
  stopSignal: NodeJS.Signals;
  /** Throws, or answers false, until it serves. */
  ready(): Promise<boolean>;
}

const startWithin = 60_000;
const stopWithin = 30_000;

/** Starts a server by its recipe. @throws with the last lines of its log when it does not come up. */
export async function startServer(recipe: Recipe): Promise<Server> {
  const { name, url, port, folder } = recipe;
  const log = join(folder, "server.log");
  let running: Running | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const current = running;
    running = undefined;
    await current?.end(signal, stopWithin);
  }

  async function start(): Promise<void> {
    if (running !== undefined && running.exit === undefined) return;
    const current = (running = launch({ ...recipe.process, cwd: folder, log }));
    try {
      await eventually(async () => current.exit !== undefined || (await recipe.ready()), {
        what: `${name} serves on port ${port}`,
        within: startWithin,
      });
      const { exit } = current;
      if (exit) throw exit.error ?? new Error(`it ended with ${exit.signal ?? `code ${exit.code}`}`);
    } catch (cause) {
      await end("SIGKILL");
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${name} did not start: ${why}\n${await lastLines(log)}`, { cause });
    }
  }

  await start();
  return {
    url,
    port,
    get pid() {
      return running?.pid;
    },
    log,
    start,
    stop: () => end(recipe.stopSignal),
    kill: () => end("SIGKILL"),
    freeze: () => running?.signal("SIGSTOP"),
    thaw: () => running?.signal("SIGCONT"),
    async close() {
      await end(recipe.process.lastSignal ?? "SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A port of the loopback interface that nothing listens on. It lies below the range that the system gives to outgoing
 * connections: there, a client that keeps trying a stopped server's port would one day be connected to itself and hold it.
 */
export async function freePort(): Promise<number> {
  return await eventually(
    async () => {
      const port = 15_000 + Math.floor(Math.random() * 17_000);
      const probe = createServer().listen(port, "127.0.0.1");
      try {
        await new Promise((resolve, reject) => probe.once("listening", resolve).once("error", reject));
      } finally {
        probe.close();
      }
      return port;
    },
    { what: "a free port" },
  );
}

/** Sends `text` to a loopback port and returns the first that comes back. @throws when nothing listens or answers. */
export async function ask(port: number, text: string, within = 1000): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.setTimeout(within, () => socket.destroy(new Error(`no answer on port ${port}`)));
  try {
    socket.write(text);
    for await (const chunk of socket) return String(chunk);
    throw new Error(`port ${port} closed without an answer`);
  } finally {
    socket.destroy();
  }
}

/** A folder inside another. */
export function subfolder(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
