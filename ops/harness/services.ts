/** PostgreSQL, Redis and RabbitMQ of one's own: for tests, measurements, and breaking on purpose. */
import { execFile } from "node:child_process";
import { chownSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { locate, Missing, type Service } from "./install.ts";
import { ownFolder } from "./process.ts";
import { ask, freePort, startServer, subfolder, type Server } from "./server.ts";

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

export interface Rabbit extends Server {
  /** The port on which it makes virtual hosts; see {@link addVhost}. */
  readonly controlPort: number;
}

/** @throws {Missing} without RabbitMQ on this machine. */
export async function startRabbit(): Promise<Rabbit> {
  const program = programOf("RabbitMQ");
  const [port, distribution, epmd, controlPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const folder = ownFolder("rabbit");
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const control = file("control.erl", controlScript(controlPort));
  const plugins = await plainPlugins(program, subfolder(folder, "plugins"));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_)/.test(name));

  const server = await startServer({
    name: "RabbitMQ",
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    folder,
    process: {
      command: "/bin/sh",
      // A name service (epmd) of its own, in its process group, so that it ends with the broker.
      args: [
        "-c",
        `epmd -port ${epmd} -address 127.0.0.1 &
        until epmd -port ${epmd} -names >/dev/null 2>&1; do sleep 0.01; done
        exec "$0" -eval 'file:eval("${control}")'`,
        program,
      ],
      env: {
        ...Object.fromEntries(inherited),
        HOME: subfolder(folder, "home"), // its cookie
        ERL_EPMD_PORT: String(epmd),
        ERL_CRASH_DUMP_SECONDS: "0",
        RABBITMQ_NODENAME: "rabbit@localhost",
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_MNESIA_BASE: subfolder(folder, "data"),
        RABBITMQ_LOG_BASE: subfolder(folder, "log"),
        RABBITMQ_CONFIG_FILE: file("rabbit.config", brokerConfig(port)),
        RABBITMQ_ENABLED_PLUGINS_FILE: file("enabled_plugins", "[]."),
        RABBITMQ_CONF_ENV_FILE: "/dev/null",
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
        RUNNING_UNDER_SYSTEMD: "true", // makes the script become the broker, not wait beside it
        ...(plugins === undefined ? {} : { RABBITMQ_PLUGINS_DIR: plugins }),
      },
    },
    stopSignal: "SIGTERM",
    ready: async () => (await ask(controlPort, "ping\n")) === "pong\n",
  });
  return Object.assign(server, { controlPort });
}

/** Makes a new virtual host that `guest` may use: about 15 ms, where `rabbitmqctl` takes a second or two for its own start. */
export async function addVhost(controlPort: number, name: string): Promise<void> {
  const answer = await ask(controlPort, `${name}\n`, 10_000);
  if (answer !== "ok\n") throw new Error(`RabbitMQ did not make the virtual host ${name}: ${answer}`);
}

// In Erlang's own format: for rabbitmq.conf, the broker reads every plugin's schema at each start, which takes two seconds.
// The limits keep it from raising an alarm, and so from blocking publishers, on a small or full machine.
const brokerConfig = (port: number): string => `[{rabbit, [
  {tcp_listeners, [{"127.0.0.1", ${port}}]},
  {disk_free_limit, 1000000},
  {vm_memory_high_watermark, {absolute, "1GB"}},
  {log, [{console, [{enabled, true}, {level, warning}]}, {file, [{file, false}]}]}
]}].`;

// Runs inside the broker once it has started.
const controlScript = (port: number): string => `
Add = fun(Name) ->
  ok = rabbit_vhost:add(Name, <<"harness">>),
  ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"harness">>)
end.
Answer = fun(<<"ping">>) -> "pong\\n";
            (Name) -> try Add(Name), "ok\\n" catch _:Why -> io_lib:format("~0p~n", [Why]) end
end.
Serve = fun Loop(Listener) ->
  {ok, Socket} = gen_tcp:accept(Listener),
  case gen_tcp:recv(Socket, 0, 1000) of
    {ok, Line} -> gen_tcp:send(Socket, Answer(string:trim(Line)));
    _ -> gone
  end,
  gen_tcp:close(Socket),
  Loop(Listener)
end.
Options = [binary, {packet, line}, {active, false}, {reuseaddr, true}, {ip, {127,0,0,1}}].
spawn(fun() -> {ok, Listener} = gen_tcp:listen(${port}, Options), Serve(Listener) end).
`;

/** The broker looks through every plugin on its path at each start; a path with only its own parts saves a second. */
async function plainPlugins(program: string, into: string): Promise<string | undefined> {
  const library = join(dirname(program), "../lib");
  const versions = await readdir(library).catch(() => []);
  const version = versions.find((name) => name.startsWith("rabbitmq_server-"));
  if (version === undefined) return undefined;
  const all = join(library, version, "plugins");
  for (const part of await readdir(all)) {
    if (!/^rabbitmq_(?!prelaunch)/.test(part)) symlinkSync(join(all, part), join(into, part));
  }
  return into;
}

function programOf(service: Service): string {
  const program = locate(service);
  if (program === undefined) throw new Missing(service);
  return program;
}
