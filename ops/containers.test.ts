/** The files that containers are run by: right by their own tools, at one with each other, and with the code. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfig } from "../lib/config.ts";
import { fileOf, secretNames } from "../lib/config/secret-files.ts";
import { properties } from "../lib/config/variables.ts";
import { isSelected } from "../runtime/host/discover.ts";
import { project, runFn } from "./e2e/fn.ts";
import { makeCertificate } from "./e2e/stand-ins/certificate.ts";
import { locate, Missing, type Program } from "./harness/install.ts";
import { temporaryFolder } from "./harness/test.ts";

const run = promisify(execFile);
const story = suite("containers");

interface Service {
  image: string;
  build?: { dockerfile: string };
  environment: Record<string, string>;
  deploy: {
    replicas?: number;
    resources: { limits: { memory: string } };
    update_config?: { order: string; failure_action?: string };
    placement?: { constraints?: string[] };
  };
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  stop_grace_period?: string;
  restart?: string;
  logging?: { options: Record<string, string> };
  volumes?: (string | { source?: string; target: string })[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
  ports?: (string | { mode?: string })[];
  profiles?: string[];
  secrets?: { source: string }[];
}

interface Composed {
  services: Record<string, Service>;
  secrets: Record<string, { file?: string; external?: boolean }>;
  configs?: Record<string, { file: string }>;
}

function program(name: Program): string {
  const found = locate(name);
  if (found === undefined) throw new Missing(name);
  return found;
}

const made = new Map<string, Promise<Composed>>();

/** What docker-compose makes of files, with these settings and no others. It takes its time, and is asked once. */
function compose(files: readonly string[], env: Record<string, string> = {}): Promise<Composed> {
  const key = files.join();
  const composed = made.get(key) ?? composeFiles(files, env);
  made.set(key, composed);
  return composed;
}

async function composeFiles(files: readonly string[], env: Record<string, string>): Promise<Composed> {
  const args = files.flatMap((file) => ["-f", join(project, file)]);
  const folder = await temporaryFolder();
  const none = join(folder, "none.env"); // in place of the project's own
  await writeFile(none, "");
  const options = { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, ...env }, maxBuffer: 1e7 };
  const all = ["--project-directory", dirname(join(project, files[0] ?? "")), "--env-file", none, ...args, "config"];
  const { stdout } = await run(program("docker-compose"), all, options);
  const file = join(folder, "config.yml");
  await writeFile(file, stdout);
  const script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
  const composed: Composed = JSON.parse((await run(program("Python"), ["-c", script, file])).stdout);
  return composed;
}

const one = ["docker-compose.yml"];
const apart = ["docker-compose.yml", "docker-compose.one-function.yml"];
const swarm = ["ops/swarm/stack.yml"];
const swarmEnv = { POSTROOM_IMAGE: "registry.example/postroom:1", NFS_SERVER: "nfs.example" };

/** The services that run our image, but for the one that is for commands. */
function ours({ services }: Composed): [string, Service][] {
  return Object.entries(services).filter(([name, { image }]) => image.includes("postroom") && name !== "fn");
}

const read = (file: string) => readFile(join(project, file), "utf8");

story("HAProxy takes its configuration, without a warning", async () => {
  const { cert, key } = await makeCertificate();
  const TLS_FILE = join(await temporaryFolder(), "tls.pem");
  await writeFile(TLS_FILE, cert + key);
  const args = ["-c", "-V", "-dW", "-f", join(project, "ops/haproxy/haproxy.cfg")];
  const { stdout } = await run(program("HAProxy"), args, { env: { TLS_FILE } });
  assert.match(stdout, "Configuration file is valid");
});

story("what HAProxy tells of its servers is for its own machine, unless somebody opens it", async () => {
  const text = await read("ops/haproxy/haproxy.cfg");
  for (const bind of ["STATS_BIND", "METRICS_BIND"])
    assert.match(text, new RegExp(`presetenv ${bind} +127\\.0\\.0\\.1:`));
  const { services } = await compose(one);
  assert.is(services["haproxy"]?.environment["STATS_BIND"], undefined);
  assert.not.match(JSON.stringify(services["haproxy"]?.ports), /840[45]/);
});

story("each function runs in the service that is there for its kind, and in one alone", async () => {
  const listed: { function: string; trigger: string }[] = JSON.parse((await runFn(["list", "--json"])).stdout);
  assert.ok(listed.length > 25, "fn list shows them");
  const kinds: Record<string, string> = { http: "api", queue: "worker", smtp: "smtp", schedule: "scheduler" };
  const where = (composed: Composed, name: string) =>
    ours(composed)
      .filter(([, { environment }]) => isSelected(name, (environment["FUNCTIONS"] ?? "").split(",")))
      .map(([service]) => service);
  const [usual, split, stack] = await Promise.all([compose(one), compose(apart), compose(swarm, swarmEnv)]);
  for (const { function: name, trigger } of listed.filter((each) => each.function !== "health")) {
    for (const composed of [usual, stack]) assert.equal(where(composed, name), [kinds[trigger]], name);
    assert.equal(where(split, name), [name === "schedule/run-due" ? "run-due" : kinds[trigger]], name);
  }
  for (const composed of [usual, split, stack]) {
    assert.equal(
      where(composed, "health"),
      ours(composed).map(([service]) => service),
    );
    for (const [service, { environment }] of ours(composed)) {
      for (const glob of (environment["FUNCTIONS"] ?? "").split(",")) {
        assert.ok(
          listed.some((each) => isSelected(each.function, [glob])),
          `${service}: ${glob} is no function`,
        );
      }
    }
  }
});

story("every variable that a container is given is one that the code reads", async () => {
  const known = new Set([...Object.keys(properties), ...secretNames.map(fileOf)]);
  for (const composed of [await compose(one), await compose(apart), await compose(swarm, swarmEnv)]) {
    for (const [service, { environment }] of ours(composed)) {
      for (const name of Object.keys(environment)) assert.ok(known.has(name), `${service}: ${name}`);
    }
  }
});

/** In containers, an RSA key signs; attachments and uploads are in the data volume; the collector is one that asks for nothing. */
const notToSet = ["JWT_SECRET", "ATTACHMENT_PATH", "UPLOAD_DIR", "OTEL_EXPORTER_OTLP_HEADERS"];

story("whatever the code reads can be set, in .env or as a secret", async () => {
  const [, service] = ours(await compose(one))[0] ?? [];
  const given = service?.environment ?? {};
  for (const name of Object.keys(properties)) {
    assert.ok(name in given || fileOf(name) in given || notToSet.includes(name), `${name} is in docker-compose.yml`);
  }
});

story(".env.example has each setting of the compose files, with its default there", async () => {
  const texts = await Promise.all(apart.map(read));
  const wanted = new Map<string, string>();
  for (const [, name = "", fallback = ""] of texts.join("").matchAll(/\$\{(\w+):-([^}]*)\}/g)) {
    const before = wanted.get(name);
    if (before === undefined || before === "") wanted.set(name, fallback);
  }
  const lines = (await read(".env.example")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const offered = new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  assert.equal([...offered.keys()].toSorted(), [...wanted.keys()].toSorted());
  const elsewhere: Record<string, string> = { ATTACHMENT_VOLUME_PATH: "data", MAX_REQUEST_SIZE_MB: "110" };
  for (const [name, value] of offered) assert.is(value || (elsewhere[name] ?? ""), wanted.get(name), name);
});

story("the secrets that are made are those that are asked for, and make a configuration for production", async () => {
  const folder = join(await temporaryFolder(), "secrets");
  await run("/bin/sh", [join(project, "ops/make-secrets.sh"), "mail.example.com", folder]);
  const made = await readdir(folder);
  const composed = await compose(one);
  for (const [name, { file }] of Object.entries(composed.secrets)) {
    assert.is(file, join(project, "secrets", name));
    assert.ok(made.includes(name), name);
  }
  const first = await readFile(join(folder, "database_url"), "utf8");
  await run("/bin/sh", [join(project, "ops/make-secrets.sh"), "mail.example.com", folder]);
  assert.is(await readFile(join(folder, "database_url"), "utf8"), first, "what is there stays");
  for (const [service, { environment, secrets = [] }] of ours(composed)) {
    const asked = Object.values(environment).filter((value) => String(value).startsWith("/run/secrets/"));
    for (const path of asked)
      assert.ok(
        secrets.some(({ source }) => path === `/run/secrets/${source}`),
        `${service}: ${path}`,
      );
    const entries = Object.entries(environment).map(([name, value]) => [name, String(value)] as const);
    const env = entries.map(([name, value]) => [name, value.replace("/run/secrets", folder)] as const);
    const config = readConfig(Object.fromEntries(env));
    assert.ok(!Array.isArray(config), JSON.stringify(config));
    assert.equal([config.production, config.smtp.networks.length > 0, config.encryptionKeys.length], [true, true, 1]);
    assert.match(config.databaseUrl ?? "", /^postgres:\/\/postroom:\w{48}@postgresql:5432\/postroom$/);
    assert.equal([config.trustedProxies, config.smtp.proxyNetworks], [["172.30.57.2"], ["172.30.57.2"]]);
  }
});

story(
  "each of our containers is held to its memory, writes nowhere but where it may, and has time to stop",
  async () => {
    for (const composed of [await compose(one), await compose(apart)]) {
      for (const [name, service] of ours(composed)) {
        assert.is(service.deploy.resources.limits.memory, "256M", name);
        assert.equal([service.read_only, service.cap_drop], [true, ["ALL"]], name);
        assert.equal(service.security_opt, ["no-new-privileges:true"], name);
        assert.is(service.restart, "unless-stopped", name);
        assert.ok(service.logging?.options["max-size"], name);
        const { SHUTDOWN_NOTICE_SECONDS: notice = 0, SHUTDOWN_DRAIN_SECONDS: drain } = service.environment;
        assert.ok(Number.parseInt(service.stop_grace_period ?? "", 10) > Number(notice) + Number(drain) + 5, name);
        assert.ok(
          service.volumes?.some((volume) => volume === "data:/data:rw"),
          `${name} shares attachments`,
        );
        const waits = Object.entries(service.depends_on ?? {}).map(([on, { condition }]) => `${on} ${condition}`);
        const healthy = ["keydb", "postgresql", "rabbitmq"].map((store) => `${store} service_healthy`);
        assert.equal(waits.toSorted(), healthy, name);
      }
      for (const store of ["keydb", "postgresql", "rabbitmq"]) assert.ok(composed.services[store]?.healthcheck, store);
      assert.equal([composed.services["api"]?.deploy.replicas, composed.services["worker"]?.deploy.replicas], [2, 2]);
    }
  },
);

story("whatever is mounted from here is here", async () => {
  const composed = await compose(one);
  const mounted = Object.values(composed.services).flatMap(({ volumes = [] }) => volumes.map(String));
  const own = mounted.filter((volume) => volume.startsWith(project)).map((volume) => volume.split(":")[0] ?? "");
  assert.ok(own.length > 5);
  for (const path of own) assert.ok(existsSync(path), path);
  const { configs = {} } = await compose(swarm, swarmEnv);
  for (const { file } of Object.values(configs)) assert.ok(existsSync(file), file);
});

story("in a swarm a new container comes before an old one goes, and three brokers are at three hosts", async () => {
  const composed = await compose(swarm, swarmEnv);
  for (const [name, { deploy, read_only: isReadOnly }] of ours(composed)) {
    assert.equal(
      [deploy.update_config?.order, deploy.update_config?.failure_action],
      ["start-first", "rollback"],
      name,
    );
    assert.equal([deploy.resources.limits.memory, isReadOnly], ["256M", true], name);
  }
  const brokers = ["rabbitmq-1", "rabbitmq-2", "rabbitmq-3"].map((name) => composed.services[name]);
  const places = brokers.map((broker) => String(broker?.deploy.placement?.constraints));
  assert.equal(
    places,
    ["1", "2", "3"].map((host) => `node.labels.rabbitmq == ${host}`),
  );
  const known = await read("ops/swarm/rabbitmq.conf");
  for (const name of ["rabbitmq-1", "rabbitmq-2", "rabbitmq-3"]) assert.match(known, `= rabbit@${name}\n`);
  for (const port of composed.services["haproxy"]?.ports ?? []) {
    assert.is(typeof port === "object" && port.mode, "host", "clients keep their addresses");
  }
});

story("the scripts are scripts", async () => {
  const scripts = ["make-secrets.sh", "container/live.sh", "swarm/primary.sh", "swarm/standby.sh"];
  for (const name of scripts) await run("/bin/bash", ["-n", join(project, "ops", name)]);
});

story.run();
