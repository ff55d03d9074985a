/** Measures this system beside its peers and its ceilings, in one run: `npm run bench -- --help`. */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { results, root } from "./app.ts";
import { recorded, slower } from "./compare.ts";
import { generator, installGenerator } from "./load.ts";
import type { Plan, Report, Row, Sample } from "./measure.ts";
import { installPeers, preparePeers } from "./peers.ts";
import { summaries } from "./profile.ts";
import { table } from "./table.ts";

const help = `npm run bench -- [options]

  --only <names>  runtime, accept, sent, sustained, status, history, totals, memory, smtp, schedule, crm, webhook or campaign; several with commas
  --rounds <n>    rounds, each of every contender (5)
  --seconds <n>   of each measurement (4)
  --workers <n>   mails delivered at once by a worker (64)
  --mails <n>     mails that history is measured with (10000000)
  --members <n>   members that the CRM and campaigns are measured with (1000000)
  --minutes <n>   of sustained load (10 with --only sustained; 1 among all others)
  --rate <n>      mails a second of it (1000)
  --json          the result as JSON on stdout
  --save          the result into ops/bench/results
  --profile       a CPU profile of each of our processes into ops/bench/results, and what it says in short
`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    workers: { type: "string", default: "64" },
    mails: { type: "string", default: "10000000" },
    members: { type: "string", default: "1000000" },
    minutes: { type: "string" },
    rate: { type: "string", default: "1000" },
    json: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const tell = (line: string): void => console.error(line);

/** Loaded when they are asked for: measuring the runtime needs none of the servers. */
const measurements: Record<string, (plan: Plan) => Promise<Report>> = {
  async runtime(plan) {
    await preparePeers(tell);
    return (await import("./runtime.ts")).measureRuntime(plan);
  },
  accept: async (plan) => (await import("./accept.ts")).measureAccept(plan),
  sent: async (plan) => (await import("./sent.ts")).measureSent(plan),
  sustained: async (plan) => (await import("./sustained.ts")).measureSustained(plan),
  status: async (plan) => (await import("./status.ts")).measureStatus(plan),
  history: async (plan) => (await import("./history.ts")).measureHistory(plan),
  totals: async (plan) => (await import("./totals.ts")).measureTotals(plan),
  memory: async (plan) => (await import("./memory.ts")).measureMemory(plan),
  webhook: async (plan) => (await import("./crm-webhook.ts")).measureWebhook(plan),
  campaign: async (plan) => (await import("./crm-campaign.ts")).measureCampaign(plan),
  crm: async (plan) => (await import("./crm-read.ts")).measureCrmRead(plan),
  schedule: async (plan) => (await import("./schedule.ts")).measureSchedule(plan),
  async smtp(plan) {
    await installPeers(tell);
    return (await import("./smtp.ts")).measureSmtp(plan);
  },
};

/** These take long by themselves, and run once. */
const once: ReadonlySet<string> = new Set(["sustained", "campaign"]);

if (options.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const only = options.only.split(",").filter(Boolean);
  const chosen = Object.entries(measurements).filter(([name]) => only.length === 0 || only.includes(name));
  const plan: Plan = {
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    workers: Number(options.workers),
    mails: Number(options.mails),
    members: Number(options.members),
    minutes: Number(options.minutes ?? (options.only === "sustained" ? 10 : 1)),
    rate: Number(options.rate),
    profile: options.profile,
    tell,
  };
  const fault = faultOf(plan, only);
  if (fault !== undefined) {
    tell(`${fault}. See npm run bench -- --help`);
    return 64;
  }
  await installGenerator(tell);
  const rows: Row[] = [];
  const samples: Record<string, Report["samples"]> = {};
  for (const [name, measure] of chosen) {
    tell(once.has(name) ? `${name}: once` : `${name}: ${plan.rounds} rounds of ${plan.seconds} s each`);
    const report = await measure(plan);
    rows.push(...report.rows);
    samples[name] = report.samples;
  }
  const worse = slower(rows, await recorded(results));
  const result = { at: new Date().toISOString(), ...plan, tell: undefined, machine: machine(), rows, worse, samples };
  if (plan.profile) tell(`\n${await summaries()}\n`);
  console.log(
    options.json ? JSON.stringify(result) : `\n${table(rows)}\n\n${Object.values(result.machine).join(" · ")}`,
  );
  tell(
    worse.length > 0
      ? `\nWorse than when it was last recorded:\n  ${worse.join("\n  ")}`
      : "\nNo ratio is more than 15 % worse than when it was last recorded.",
  );
  if (options.save) await save(result);
  return 0;
}

/** What is wrong with what was asked for, in a sentence without its full stop. */
function faultOf(plan: Plan, only: readonly string[]): string | undefined {
  const unknown = only.find((name) => !Object.hasOwn(measurements, name));
  if (unknown !== undefined) return `--only: "${unknown}" is none of ${Object.keys(measurements).join(", ")}`;
  if (!(plan.minutes > 0 && Number.isFinite(plan.minutes))) return "--minutes must be a number over 0";
  const whole = (["rounds", "seconds", "workers", "mails", "members", "rate"] as const).find(
    (name) => !Number.isInteger(plan[name]) || plan[name] < 1,
  );
  return whole && `--${whole} must be a whole number over 0`;
}

function machine(): Record<string, string> {
  const [first] = cpus();
  return {
    cpu: `${cpus().length} × ${first?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    node: `Node ${process.versions.node}`,
    generator: generator(),
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root, encoding: "utf8" }).trim(),
  };
}

async function save(result: { at: string; samples: Record<string, Record<string, readonly Sample[]>> }): Promise<void> {
  const file = join(results, `${result.at.slice(0, 16).replace(":", "")}.json`);
  await mkdir(results, { recursive: true });
  await writeFile(file, await format(JSON.stringify(result), { parser: "json", printWidth: 120 }));
  tell(`Saved as ${relative(root, file)}.`);
}
