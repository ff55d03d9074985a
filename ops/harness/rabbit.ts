/** RabbitMQ of one's own: one broker, or three that are one cluster on this machine. */
import { symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { programOf } from "./install.ts";
import { ownFolder } from "./process.ts";
import { ask, freePort, startServer, subfolder, type Server } from "./server.ts";

export interface Rabbit extends Server {
  /** The port on which it makes virtual hosts; see {@link addVhost}. */
  readonly controlPort: number;
}

/** @throws {Missing} without RabbitMQ on this machine. */
export async function startRabbit(): Promise<Rabbit> {
  return await startNode({ name: "rabbit", epmd: await freePort(), cluster: undefined });
}

export interface RabbitCluster {
  readonly nodes: readonly Rabbit[];
  close(): Promise<void>;
}

/** Three brokers as one: with two of them its quorum queues go on. They know each other by a name service of their own. */
export async function startRabbitCluster(): Promise<RabbitCluster> {
  const epmd = await freePort();
  const folder = ownFolder("epmd");
  const names = await startServer({
    name: "epmd",
    url: "",
    port: epmd,
    folder,
    process: { command: "/bin/sh", args: ["-c", `exec epmd -port ${epmd} -address 127.0.0.1`] },
    stopSignal: "SIGKILL",
    ready: () =>
      new Promise((resolve) => connect(epmd, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false))),
  });
  const cluster = ["rabbit1", "rabbit2", "rabbit3"];
  const nodes = await Promise.all(cluster.map((name) => startNode({ name, epmd, cluster })));
  return {
    nodes,
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
      await names.close();
    },
  };
}

interface Node {
  name: string;
  /** Port of the name service: of another one's in a cluster, else of its own. */
  epmd: number;
  /** Names of all of its nodes. */
  cluster: readonly string[] | undefined;
}

async function startNode({ name, epmd, cluster }: Node): Promise<Rabbit> {
  const program = programOf("RabbitMQ");
  const [port, distribution, controlPort] = await Promise.all([freePort(), freePort(), freePort()]);
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
      args: ["-c", `${cluster ? "" : ownNames(epmd)} exec "$0" -eval 'file:eval("${control}")'`, program],
      env: {
        ...Object.fromEntries(inherited),
        HOME: cluster ? homeOf(folder, epmd) : subfolder(folder, "home"), // its cookie
        ERL_EPMD_PORT: String(epmd),
        ERL_CRASH_DUMP_SECONDS: "0",
        RABBITMQ_NODENAME: `${name}@localhost`,
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_MNESIA_BASE: subfolder(folder, "data"),
        RABBITMQ_LOG_BASE: subfolder(folder, "log"),
        RABBITMQ_CONFIG_FILE: file("rabbit.config", brokerConfig(port, cluster)),
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

/** A name service (epmd) of its own, in its process group, so that it ends with the broker. */
const ownNames = (port: number): string => `epmd -port ${port} -address 127.0.0.1 &
  until epmd -port ${port} -names >/dev/null 2>&1; do sleep 0.01; done;`;

/** Nodes of one cluster have the same cookie. */
function homeOf(folder: string, epmd: number): string {
  const home = subfolder(folder, "home");
  writeFileSync(join(home, ".erlang.cookie"), `cluster${epmd}`, { mode: 0o400 });
  return home;
}

/** Makes a new virtual host that `guest` may use: about 15 ms, where `rabbitmqctl` takes a second or two for its own start. */
export async function addVhost(controlPort: number, name: string): Promise<void> {
  const answer = await ask(controlPort, `${name}\n`, 10_000);
  if (answer !== "ok\n") throw new Error(`RabbitMQ did not make the virtual host ${name}: ${answer}`);
}

// In Erlang's own format: for rabbitmq.conf, the broker reads every plugin's schema at each start, which takes two seconds.
// The limits keep it from raising an alarm, and so from blocking publishers, on a small or full machine.
const brokerConfig = (port: number, cluster: readonly string[] = []): string => `[{rabbit, [
  ${cluster.length > 0 ? `{cluster_nodes, {[${cluster.map((name) => `'${name}@localhost'`).join(", ")}], disc}},` : ""}
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
