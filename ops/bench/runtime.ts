/** What the runtime costs: one route of this system beside bare node:http, bare h3, Fastify and Nitro. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startApp, startHouse, type App } from "./app.ts";
import { load } from "./load.ts";
import { interleave, perSecond, type Plan, type Report, type Series } from "./measure.ts";
import { profiled } from "./profile.ts";

const here = import.meta.dirname;
const expected = JSON.stringify({ greeting: "Hello, bench" });
const path = "/hello?name=bench";

/** Each server has the last core to itself, the load generator the first. */
const serverCore = availableParallelism() - 1;
const generatorCore = 0;

interface Competitor {
  name: string;
  /** Refuses a request without `name`. */
  validates: boolean;
  start(): Promise<App>;
}

const peer = (name: string, program: string, validates: boolean): Competitor => ({
  name,
  validates,
  start: () =>
    startApp({
      name,
      args: [join(here, program)],
      core: serverCore,
      readyPath: path,
      env: (port) => ({ NODE_ENV: "production", PORT: String(port), HOST: "127.0.0.1" }),
    }),
});

const ours = (name: string, fn: string, validates: boolean, plan: Plan): Competitor => ({
  name,
  validates,
  start: () =>
    startHouse({
      name,
      cwd: join(here, "house"),
      core: serverCore,
      env: { APP_ENV: "production", NODE_ENV: "production", FUNCTIONS: fn },
      profile: profiled(plan, `runtime-${fn}`),
    }),
});

/**
 * All servers run throughout, so that each is warm in every round, and one at a time has load: the others sleep and cost
 * nothing.
 */
export async function measureRuntime(plan: Plan): Promise<Report> {
  const competitors = [
    peer("node:http", "peers/node.mjs", false),
    peer("h3", "peers/h3.mjs", false),
    ours("ours", "hello", false, plan),
    ours("ours, validated", "greet", true, plan),
    peer("Fastify", "peers/fastify.mjs", true),
    peer("Nitro", "node_modules/.nitro/output/server/index.mjs", true),
  ];
  const apps: App[] = [];
  try {
    for (const { name, validates, start } of competitors) {
      const app = await start();
      apps.push(app);
      await verify(name, app.url, validates);
      await load({ url: app.url + path, seconds: 2, core: generatorCore });
    }
    const contenders = apps.map((app) => ({
      name: app.name,
      async measure(seconds: number) {
        const before = app.cpuSeconds();
        const found = await load({ url: app.url + path, seconds, core: generatorCore });
        const cpuUs = ((app.cpuSeconds() - before) / found.replies) * 1e6;
        return { perSecond: found.perSecond, p99Ms: found.p99Ms, cpuUs };
      },
    }));
    const series = await interleave(contenders, plan);
    return { rows: rowsOf(series), samples: series.toJSON() };
  } finally {
    // In good order, so that a profile is written.
    for (const app of apps) await app.stop();
  }
}

async function verify(name: string, url: string, validates: boolean): Promise<void> {
  const response = await fetch(url + path);
  const body = await response.text();
  const type = response.headers.get("content-type") ?? "";
  if (response.status !== 200 || body !== expected || !type.startsWith("application/json")) {
    throw new Error(`${name} answers ${response.status} ${type} ${body} instead of ${expected}`);
  }
  const { status } = await fetch(`${url}/hello?other=bench`);
  const wanted = validates ? 400 : 200;
  if (status !== wanted) throw new Error(`${name} answers ${status} without a name, and should ${wanted}`);
}

function rowsOf(series: Series) {
  const bare = "node:http";
  /** By replies in a second, and by processor time for a reply, which other work on the machine disturbs less. */
  const ratio = (name: string) => {
    const byCpu = series.ratio(bare, name, "cpuUs");
    return series.ratio(name, bare).toFixed(2) + (Number.isNaN(byCpu) ? "" : `, cpu ${byCpu.toFixed(2)}`);
  };
  const beside = (name: string) => `${name} ${perSecond(series.median(name))} (${ratio(name)})`;
  const row = (measurement: string, name: string, peers: readonly string[], target: string) => ({
    measurement,
    ours: perSecond(series.median(name)),
    peers: peers.map(beside).join(" · "),
    ceiling: `${bare} ${perSecond(series.median(bare))}`,
    ratio: ratio(name),
    target,
  });
  return [
    row("GET, no validation", "ours", ["h3"], "≥ 0.80"),
    row("GET, validated query", "ours, validated", ["Fastify", "Nitro"], "≥ 0.70, ahead of both"),
  ];
}
