/** What stands beside this system in taking mail in by SMTP; Postfix has a file of its own. */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownFolder } from "../harness/process.ts";
import { ask, freePort, startServer, subfolder } from "../harness/server.ts";

const here = import.meta.dirname;

/** A server that takes mail in. */
export interface Receiver {
  readonly name: string;
  readonly port: number;
  /**
   * Waits until it is done with this many mails, so that none weighs on what is measured next, and puts them away.
   *
   * @throws when they are not there.
   */
  settle(mails: number): Promise<void>;
  /** Processor time that it has used so far, in seconds; of ours only. */
  cpuSeconds?(): number;
  close(): Promise<void>;
}

/** Whether a server greets its clients. */
export const greets = async (port: number): Promise<boolean> => (await ask(port, "")).startsWith("220 ");

/** The ceiling: it answers, and stores nothing. */
export async function startCeiling(): Promise<Receiver> {
  const name = "smtp-server";
  const port = await freePort();
  const server = await startServer({
    name,
    url: `smtp://127.0.0.1:${port}`,
    port,
    folder: ownFolder("smtp-server"),
    process: {
      command: process.execPath,
      args: [join(here, "peers/smtp-server.mjs")],
      env: { PATH: process.env["PATH"], NODE_ENV: "production", PORT: String(port) },
    },
    stopSignal: "SIGTERM",
    ready: () => greets(port),
  });
  return { name, port, settle: async () => undefined, close: server.close };
}

/**
 * Haraka as its own installer sets it up, in one process as ours is, with no plugin but the one below. It syncs each
 * mail to its queue on disk before it answers. What it has queued it does not deliver: its own switch for that, under which
 * a mail that is due asks again each second; `concurrency_max` has one of them ask, and not ten thousand.
 */
export async function startHaraka(): Promise<Receiver> {
  const name = "Haraka";
  const port = await freePort();
  const program = join(here, "node_modules/Haraka");
  const folder = ownFolder("haraka");
  const queue = subfolder(folder, "queue");
  cpSync(join(program, "config"), join(folder, "config"), { recursive: true });
  mkdirSync(join(folder, "plugins"));
  const files = {
    "config/plugins": "loopback",
    "config/smtp.ini": `listen=127.0.0.1:${port}\nnodes=0`,
    "config/outbound.ini": "disabled=true\nconcurrency_max=1",
    "plugins/loopback.js": loopbackPlugin,
  };
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), `${content}\n`);
  const server = await startServer({
    name,
    url: `smtp://127.0.0.1:${port}`,
    port,
    folder,
    process: {
      command: process.execPath,
      args: [join(program, "bin/haraka"), "-c", folder],
      env: { PATH: process.env["PATH"], HOME: folder, NODE_ENV: "production" },
    },
    stopSignal: "SIGTERM",
    ready: () => greets(port),
  });
  return {
    name,
    port,
    async settle(mails) {
      const queued = readdirSync(queue);
      if (queued.length !== mails) throw new Error(`${name} accepted ${mails} mails, and queued ${queued.length}`);
      for (const file of queued) rmSync(join(queue, file));
    },
    close: server.close,
  };
}

/** Every client here may send to anyone, and none has its name looked up. */
const loopbackPlugin = `
exports.hook_lookup_rdns = (next) => next(OK, "localhost");
exports.hook_connect = (next, connection) => {
  connection.relaying = true;
  next();
};`;
