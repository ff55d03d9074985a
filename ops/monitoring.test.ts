/** What watches the system is right by its own tools, and speaks of nothing that the system does not tell. */
import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createTransport } from "nodemailer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startSystem, stopAll } from "./e2e/system.ts";
import { locate, Missing, type OperatorTool } from "./harness/install.ts";
import { launch, ownFolder } from "./harness/process.ts";
import { freePort } from "./harness/server.ts";
import { eventually, freshDatabase, freshRedis, freshVhost } from "./harness/test.ts";

const run = promisify(execFile);
const story = suite("monitoring");
const folder = join(import.meta.dirname, "monitoring");
const dashboards = join(folder, "grafana/dashboards");
story.after(stopAll);

async function tool(name: OperatorTool, ...args: string[]): Promise<string> {
  const program = locate(name);
  if (!program) throw new Missing(name);
  try {
    return (await run(program, args, { cwd: folder })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${name} ${args.join(" ")}:\n${stdout}${stderr}`, { cause: error });
  }
}

story("Prometheus takes its configuration and its rules", async () => {
  assert.match(await tool("promtool", "check", "config", "prometheus.yml"), "SUCCESS");
});

story("alerts are told when they have to be, and not else", async () => {
  assert.match(await tool("promtool", "test", "rules", "alerts.test.yml"), "SUCCESS");
});

story("AlertManager takes its configuration", async () => {
  assert.match(await tool("amtool", "check-config", "alertmanager.yml"), "SUCCESS");
});

interface Panel {
  id: number;
  type: string;
  title: string;
  datasource?: { uid: string };
  targets?: { expr: string; datasource: { uid: string } }[];
}
interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: { definition: string }[] };
  annotations: { list: { expr: string }[] };
}

async function readDashboards(): Promise<Dashboard[]> {
  const files = await readdir(dashboards);
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(join(dashboards, file), "utf8")) as Dashboard),
  );
}

/** All expressions, each with where it is. Grafana's own variables are given the values that it would. */
async function expressions(): Promise<{ where: string; expr: string }[]> {
  const boards = (await readDashboards()).flatMap(({ title, panels, annotations }) => [
    ...panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({ where: `${title}: ${panel.title}`, expr })),
    ),
    ...annotations.list.map(({ expr }) => ({ where: `${title}: annotations`, expr })),
  ]);
  const rules = await readFile(join(folder, "alerts.yml"), "utf8");
  const alerts = rules.split(/^\s*- alert: /m).slice(1);
  return [
    ...boards.map(({ where, expr }) => ({
      where,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*"),
    })),
    ...alerts.map((alert) => ({
      where: alert.slice(0, alert.indexOf("\n")),
      expr: /expr: (?:\|\n)?([^]*?)\n\s+(?:for|labels):/.exec(alert)?.[1] ?? "",
    })),
  ];
}

story(
  "every panel has a number of its own, the provisioned source, and expressions that Prometheus understands",
  async () => {
    const sources = await readFile(join(folder, "grafana/provisioning/datasources/datasources.yml"), "utf8");
    const all = await readDashboards();
    assert.is(new Set(all.map(({ uid }) => uid)).size, all.length);
    for (const { title, panels } of all) {
      assert.is(new Set(panels.map(({ id }) => id)).size, panels.length, title);
      for (const panel of panels.filter(({ type }) => type !== "row")) {
        const uids = [panel.datasource?.uid, ...(panel.targets ?? []).map(({ datasource }) => datasource.uid)];
        for (const uid of uids) assert.match(sources, `uid: ${uid}`, `${title}: ${panel.title}`);
        assert.ok(panel.targets?.length, `${title}: ${panel.title} shows nothing`);
      }
    }
    const rules = (await expressions()).map(({ expr }, index) => ({ record: `expression:${index}`, expr }));
    const file = join(ownFolder("rules"), "rules.yml");
    await writeFile(file, JSON.stringify({ groups: [{ name: "dashboards", rules }] }));
    await tool("promtool", "check", "rules", file);
  },
);

/** Metrics with the labels that are asked of each: `a{b="c"}` → a: b. */
function asked(expr: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\[[^\]]*\]/g, "")
    .replaceAll(/\b(?:by|on|without|ignoring|group_left)\s*\([^)]*\)/g, "")
    .replaceAll(/\boffset\s+\S+/g, "");
  for (const [, name = "", , labels = ""] of bare.matchAll(/\b([a-zA-Z_]\w*)\b(?!\s*\()(\{([^}]*)\})?/g)) {
    if (/^(?:and|or|unless|bool|inf|nan)$/i.test(name)) continue;
    const names = [...labels.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map((label) => label[1] ?? "");
    found.set(name, [...(found.get(name) ?? []), ...names]);
  }
  return found;
}

/** Names of the metrics of a page, each with its labels, as far as there are values. */
function told(page: string): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const [, name = "", type] of page.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const ends = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const end of ends) names.set(name + end, new Set());
  }
  for (const [, name = "", labels = ""] of page.matchAll(/^([a-zA-Z_]\w*)(?:\{(.*)\})? \S+/gm)) {
    const known = names.get(name) ?? new Set<string>();
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known.add(label);
    names.set(name, known);
  }
  return names;
}

/** Prometheus's own, and the labels that it adds. */
const ofPrometheus = ["up", "ALERTS"];
const added = ["job", "instance", "role"];

/** Of RabbitMQ's plugin rabbitmq_prometheus (3.10 and later), which the harness does not start. */
const ofRabbit = [
  "alarms_memory_used_watermark",
  "alarms_free_disk_space_watermark",
  "alarms_file_descriptor_limit",
  "queue_messages_ready",
  "queue_messages_unacked",
  "process_resident_memory_bytes",
  "resident_memory_limit_bytes",
  "disk_space_available_bytes",
  "disk_space_available_limit_bytes",
].map((name) => `rabbitmq_${name}`);

async function askedOf(
  wanted: (name: string) => boolean,
): Promise<{ where: string; name: string; labels: string[] }[]> {
  return (await expressions()).flatMap(({ where, expr }) =>
    [...asked(expr)].filter(([name]) => wanted(name)).map(([name, labels]) => ({ where, name, labels })),
  );
}

function holds(uses: { where: string; name: string; labels: string[] }[], page: Map<string, Set<string>>): void {
  assert.ok(uses.length > 0);
  for (const { where, name, labels } of uses) {
    const known = page.get(name);
    assert.ok(known, `${where} names ${name}, which nothing tells`);
    // Without a value nobody has seen its labels.
    const wrong = known.size === 0 ? [] : labels.filter((label) => !known.has(label) && !added.includes(label));
    assert.equal(wrong, [], `${where} asks ${name} for labels that it does not have`);
  }
}

story("every metric that a dashboard or an alert names is one that the running system tells", async () => {
  const servers = {
    DATABASE_URL: await freshDatabase(),
    RABBITMQ_URL: await freshVhost(),
    KEYDB_URL: await freshRedis(),
  };
  const system = await startSystem({ smtp: true, env: { ...servers, MAIL_SENDER: "sandbox" } });
  await system.settled(await system.accept());
  await system.send({ from: "nobody" });
  const transport = createTransport({ host: "127.0.0.1", port: system.smtp.port, tls: { rejectUnauthorized: false } });
  await transport.sendMail({ from: "a@example.com", to: "b@example.org", subject: "By SMTP", text: "It works." });
  transport.close();
  const { text } = await system.call("/metrics");
  const taken = [...told(text)].filter(([, labels]) => added.some((label) => labels.has(label)));
  assert.equal(taken, [], "a label that Prometheus adds would be renamed");
  const ours = (name: string) => !/^(?:rabbitmq|haproxy)_/.test(name) && !ofPrometheus.includes(name);
  holds(await askedOf(ours), told(text));
  for (const { name } of await askedOf((name) => name.startsWith("rabbitmq_")))
    assert.ok(ofRabbit.includes(name), name);
});

story("and HAProxy tells what is asked of it", async () => {
  const program = locate("HAProxy");
  if (!program) throw new Missing("HAProxy");
  const port = await freePort();
  const own = ownFolder("haproxy");
  await writeFile(
    join(own, "haproxy.cfg"),
    `defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend metrics
  bind 127.0.0.1:${port}
  http-request use-service prometheus-exporter
  default_backend api
backend api
  server one 127.0.0.1:1
`,
  );
  const args = ["-f", join(own, "haproxy.cfg")];
  const proxy = launch({ command: program, args, cwd: own, log: join(own, "log") });
  const page = () => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
  const text = await eventually(() => page().catch(() => undefined), { what: "HAProxy tells of itself" });
  await proxy.end("SIGKILL", 5000);
  holds(await askedOf((name) => name.startsWith("haproxy_")), told(text ?? ""));
});

story("Prometheus looks where the metrics are", async () => {
  const config = await readFile(join(folder, "prometheus.yml"), "utf8");
  for (const port of ["8080", "15692", "8405"]) assert.match(config, `port: ${port}`);
  const boards = await readDashboards();
  assert.ok(
    boards.every(({ templating }) => templating.list.every(({ definition }) => definition.startsWith("label_values("))),
  );
});

story.run();
