/** Throws spoilt input at every door of the system and watches it: `npm run fuzz -- --help`. */
import { Client } from "pg";
import { install } from "../harness/install.ts";
import { seeded } from "../harness/random.ts";
import type { Done, Trial } from "./doors/door.ts";
import { fuzzHttp } from "./doors/http.ts";
import { fuzzQueue } from "./doors/queue.ts";
import { fuzzSmtp } from "./doors/smtp.ts";
import { fuzzWebhook } from "./doors/webhook.ts";
import { Findings } from "./findings.ts";
import { openHouse, type House } from "./house.ts";
import { Known } from "./known.ts";
import { help, readOptions, shareOf, type Door, type Options } from "./options.ts";
import { Patience } from "./patience.ts";
import { watch } from "./watch.ts";

const tries: Readonly<Record<Door, (trial: Trial) => Promise<Done>>> = {
  http: fuzzHttp,
  smtp: fuzzSmtp,
  webhook: fuzzWebhook,
  queue: fuzzQueue,
};

/** How long an answer may take, or a session whose client has said that no more comes. */
const patienceMs = 5000;

const began = performance.now();
const tell = (line: string): void =>
  console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(8)} s  ${line}`);

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(help);
  process.exit(options.help ? 0 : await main(options));
} catch (error) {
  console.error(error);
  process.exit(2);
}

async function main(options: Options): Promise<number> {
  const { seed, doors, minutes, counts, route } = options;
  const missing = await install(tell);
  if (missing.length > 0) throw new Error(`This needs ${missing.join(" and ")}.`);
  tell(`Seed ${seed}. Starting the system …`);
  const known = new Known(seed);
  const house = await openHouse(known);
  const findings = new Findings(tell);
  const patience = new Patience(patienceMs);
  const watching = watch(house.system, findings, () => patience.pulse);
  const end = performance.now() + (minutes ?? Infinity) * 60_000;
  const done: Partial<Record<Door, Done>> = {};
  for (const [index, door] of doors.entries()) {
    const now = performance.now();
    const limits = { count: counts[door], until: now + shareOf(door, doors.slice(index), end - now) };
    const result = await tries[door]({
      house,
      known,
      route,
      limits,
      patience,
      findings,
      random: seeded(seed).fork(door),
      tell,
    });
    tell(`${door}: ${result.count}, ${result.perSecond}/s; ${listed(result.figures)}`);
    done[door] = result;
  }
  tell(`known: ${listed(known.sizes)}`);
  await stillServes(house, findings);
  const { peakMb, refused } = await watching.stop();
  await house.close();

  if (options.json) {
    const figures = Object.entries(done).map(([door, { tally, ...result }]) => [
      door,
      { ...result, ...tally?.summary },
    ]);
    console.log(
      JSON.stringify({
        seed,
        peakMb,
        refused,
        excused: findings.excused,
        ...Object.fromEntries(figures),
        findings: findings.all,
      }),
    );
  } else {
    for (const { tally } of Object.values(done)) if (tally) console.log(tally.table());
    console.log(
      findings.report(
        `Replay: npm run fuzz -- --seed ${seed}. Memory at most ${peakMb} MB; ${refused} calls were put off with 503, ${findings.excused} waited in vain for the processor.`,
      ),
    );
  }
  return findings.all.length > 0 ? 1 : 0;
}

/** After all of it, a mail goes its way as ever, every part is well, and nothing holds on to the database. */
async function stillServes({ system, databaseUrl }: House, findings: Findings): Promise<void> {
  try {
    const { status } = await system.settled(await system.accept(), 60_000);
    if (status !== "sent") findings.add("afterwards", `a plain mail is ${status}`);
    const health = await system.call("/health");
    if (health.status !== 200) findings.add("afterwards", `health is ${health.text.slice(0, 200)}`);
    const db = new Client({ connectionString: databaseUrl });
    await db.connect();
    const { rows } = await db.query<{ query: string }>(
      "SELECT query FROM pg_stat_activity WHERE state LIKE 'idle in%' AND state_change < now() - interval '60 s'",
    );
    await db.end();
    for (const { query } of rows) findings.add("afterwards", `a transaction stays open after ${query.slice(0, 100)}`);
  } catch (error) {
    findings.add("afterwards", String(error));
  }
}

function listed(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, figure]) => `${name} ${figure}`)
    .join(", ");
}
