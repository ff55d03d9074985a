/** PostgreSQL, Redis and RabbitMQ of one's own: for tests, measurements, and breaking on purpose. */
import { execFile } from "node:child_process";
import { chownSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { programOf } from "./install.ts";
import { ownFolder } from "./process.ts";
import { ask, freePort, startServer, subfolder, type Server } from "./server.ts";

export { addVhost, startRabbit, startRabbitCluster, type Rabbit } from "./rabbit.ts";
export type { Server } from "./server.ts";

const run = promisify(execFile);

export interface Options {
  /** Whether what is committed survives a power cut (true unless told). A killed process alone loses nothing either way. */
  durable?: boolean;
}

export interface PostgresOptions extends Options {
  /** Server settings by their name in postgresql.conf. */
  settings?: Record<string, string | number>;
}

/** @throws {Missing} without PostgreSQL on this machine. */
export async function startPostgres({ durable = true, settings = {} }: PostgresOptions = {}): Promise<Server> {
  const program = programOf("PostgreSQL");
  const [port, user] = await Promise.all([freePort(), postgresUser()]);
  const folder = ownFolder("postgres");
  const data = subfolder(folder, "data");
  if (user !== undefined) chownSync(data, user.uid, user.gid);

  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"];
  await run(join(dirname(program), "initdb"), initdb, { cwd: folder, ...user });

  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const all = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    fsync: durable ? "on" : "off",
    ...settings,
  };
  return await startServer({
    name: "PostgreSQL",
    url,
    port,
    folder,
    process: {
      command: program,
      args: ["-D", data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      lastSignal: "SIGQUIT", // by SIGKILL it would leave its shared memory behind
      ...user,
    },
    stopSignal: "SIGINT",
    async ready() {
      const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
      try {
        await client.connect();
        return true;
      } finally {
        await client.end();
      }
    },
  });
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
async function postgresUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [user, group] = await Promise.all([run("id", ["-u", "postgres"]), run("id", ["-g", "postgres"])]);
  return { uid: Number(user.stdout), gid: Number(group.stdout) };
}

/** @throws {Missing} without Redis on this machine. */
export async function startRedis({ durable = true }: Options = {}): Promise<Server> {
  const command = programOf("Redis");
  const port = await freePort();
  const folder = ownFolder("redis");
  const settings = {
    bind: "127.0.0.1",
    port,
    dir: folder,
    save: "",
    appendonly: durable ? "yes" : "no",
    databases: 4096, // one for each test that asks
  };
  return await startServer({
    name: "Redis",
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    process: { command, args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]) },
    stopSignal: "SIGTERM",
    ready: async () => (await ask(port, "PING\r\n")) === "+PONG\r\n",
  });
}
