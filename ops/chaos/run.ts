/** Breaks the fleet at random while mail flows, and then checks every promise: `npm run chaos -- --help`. */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { eventually } from "../harness/eventually.ts";
import { install } from "../harness/install.ts";
import { audit, unfinished } from "./audit.ts";
import { mendAnswers, spoilAnswers, strikeUntil, type Struck } from "./faults.ts";
import { startFleet, type Fleet } from "./fleet.ts";
import { auditHotel } from "./hotel-audit.ts";
import { startHotel } from "./hotel.ts";
import { startLoad, type Load } from "./load.ts";
import { seeded } from "../harness/random.ts";
import { safeguards, type Safeguard } from "./sabotage.ts";

const help = `npm run chaos -- [options]

  --minutes <n>     how long things go wrong (5)
  --seed <n>        replays a run: the same faults in the same order
  --without <name>  runs a copy of the system without one of its safeguards (${safeguards.join(", ")}; with commas,
                    several), to see that the audit finds out
  --calm <n>        most minutes until nothing waits any more, at the end (6)
  --json            the result as JSON on stdout

Ends with 0 when every promise held, 1 when one was broken, 2 when it could not be run.
`;

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    without: { type: "string", default: "" },
    calm: { type: "string", default: "6" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const began = performance.now();
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const tell = (line: string): void => console.error(`${seconds(performance.now() - began).padStart(9)}  ${line}`);

if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
// Lines and servers of a run that broke off would keep the process alive.
process.exit(
  await main().catch((error: unknown) => {
    console.error(error);
    return 2;
  }),
);

async function main(): Promise<number> {
  const [minutes, seed, calm] = [options.minutes, options.seed, options.calm].map(Number);
  const without = options.without.split(",").filter(Boolean).map(known);
  if (!minutes || !calm || seed === undefined || !Number.isInteger(seed)) throw new Error(help);
  const missing = await install(tell);
  if (missing.length > 0) throw new Error(`This needs ${missing.join(" and ")}.`);

  tell(`Seed ${seed}: npm run chaos -- --seed ${seed} --minutes ${minutes}. Starting the fleet …`);
  const fleet = await startFleet({ without, minutes });
  try {
    const result = await breakAndAudit(fleet, { seed, minutes, calm });
    report({ seed, minutes, without, ...result });
    return result.breaches.length > 0 ? 1 : 0;
  } finally {
    await fleet.close();
  }
}

async function breakAndAudit(
  fleet: Fleet,
  { seed, minutes, calm }: { seed: number; minutes: number; calm: number },
): Promise<Pick<Result, "struck" | "counts" | "breaches">> {
  const random = seeded(seed);
  if (!fleet.hasOwnDisk) tell("The disk is not filled: only root may mount one of its own.");
  spoilAnswers(fleet, random.fork("provider"));
  const hotel = await startHotel(fleet, random.fork("hotel"), seed);
  const load = startLoad(fleet, random.fork("load"), seed);
  const struck: Struck[] = [];
  const broken: string[] = [];
  await strikeUntil(AbortSignal.timeout(minutes * 60_000), fleet, random.fork("faults"), {
    struck,
    tell,
    recovered: () => recovery(load),
  }).catch(async (error: unknown) => {
    broken.push(String(error));
    tell(`It does not come back. The last words of each process:\n${await lastWords(fleet)}`);
  });
  tell("Everything is mended. Waiting until nothing is under way …");
  mendAnswers(fleet);
  await Promise.all([load.stop(), hotel.stop()]);
  const calmMs = await calmDown(fleet, calm * 60_000);
  tell(calmMs === undefined ? "It did not come to rest." : `At rest after ${seconds(calmMs)}. Auditing …`);
  const mail = await audit(fleet, { sent: load.sent, odd: load.odd, struck });
  const crm = await auditHotel(fleet, hotel);
  const breaches = [...broken, ...mail.breaches, ...crm.breaches];
  return { struck, breaches, counts: { ...mail.counts, ...crm.counts, breaches: breaches.length } };
}

function known(name: string): Safeguard {
  const safeguard = safeguards.find((each) => each === name);
  if (safeguard === undefined) throw new Error(`--without ${name}: it is one of ${safeguards.join(", ")}`);
  return safeguard;
}

/** Until mail is acknowledged again at half of the usual pace: milliseconds. */
async function recovery(load: Load): Promise<number> {
  const from = performance.now();
  const enough = load.acknowledged + 15;
  await eventually(() => load.acknowledged >= enough, { what: "mail is taken again", within: 120_000 });
  return performance.now() - from;
}

async function lastWords({ processes }: Fleet): Promise<string> {
  const each = Object.entries(processes).map(async ([name, system]) => {
    const { stdout, stderr } = await system.output();
    const lines = [...stdout.trimEnd().split("\n").slice(-5), ...stderr.trimEnd().split("\n").slice(-5)];
    return `--- ${name}\n${lines.map((line) => line.slice(0, 400)).join("\n")}`;
  });
  return (await Promise.all(each)).join("\n");
}

/** Milliseconds until nothing waits, or undefined. */
async function calmDown({ db }: Fleet, within: number): Promise<number | undefined> {
  const from = performance.now();
  while (performance.now() - from < within) {
    const left = await unfinished(db).catch(() => -1);
    if (left === 0) return performance.now() - from;
    await pause(1000);
  }
  return undefined;
}

interface Result {
  seed: number;
  minutes: number;
  without: readonly string[];
  struck: readonly Struck[];
  counts: Record<string, number>;
  breaches: readonly string[];
}

function report(result: Result): void {
  if (options.json) return console.log(JSON.stringify(result));
  const byName = [...Map.groupBy(result.struck, ({ name }) => name)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  console.log(`\n${"fault".padEnd(30)}${"times".padStart(6)}${"back after".padStart(14)}${"at worst".padStart(12)}`);
  for (const [name, times] of byName) {
    const sorted = times.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    const row = [
      String(times.length).padStart(6),
      seconds(median).padStart(14),
      seconds(sorted.at(-1) ?? 0).padStart(12),
    ];
    console.log(name.padEnd(30) + row.join(""));
  }
  console.log();
  for (const [what, count] of Object.entries(result.counts)) console.log(`${String(count).padStart(8)}  ${what}`);
  if (result.breaches.length === 0) return console.log("\nEvery promise held.");
  console.log(`\nBROKEN, replay with --seed ${result.seed}:`);
  // One of each kind, and how many there are of it: what differs are ids and numbers.
  const kinds = Map.groupBy(result.breaches, (breach) => breach.replaceAll(/[\da-f-]{30,}|\d+/g, "…"));
  for (const [first, ...others] of kinds.values()) {
    console.log(`  ${first}${others.length > 0 ? `, and ${others.length} more like this` : ""}`);
  }
}
