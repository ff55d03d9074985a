/** How long it takes until 100,000 jobs that are due at once are mail in the queue, and how much memory. */
import { number, perSecond, Series, type Plan, type Report } from "./measure.ts";
import { roles, startServers, until, type System } from "./system.ts";

const jobs = 100_000;
/** Without a limit V8 lets garbage lie where there is room for it: this is the one of a container of 256 MB. */
const heapLimit = { NODE_OPTIONS: "--max-old-space-size=128" };
const target = { seconds: 60, mebibytes: 256 };

/** Jobs of about a kilobyte, all of them due; `cronexpr` is null for those that run once. */
const addJobs = `
  INSERT INTO tblschedulemail (progcode, sender, recipients, subject, body, nextexecutetime, cronexpr)
  SELECT 'BENCH', 'bench@example.com', 'guest' || n || '@example.org', 'Stay ' || n,
         '<h1>Welcome</h1>' || repeat('<p>' || md5(n::text) || '</p>', 24), now(), $2
  FROM generate_series(1, $1) AS n`;

const variants = [
  { name: "once", cronexpr: null },
  { name: "each day", cronexpr: "30 9 * * *" },
];

/** Nobody delivers meanwhile: what is measured is claiming, committing and publishing. */
export async function measureSchedule(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const system = await servers.newSystem("schedule", plan.workers, heapLimit);
    const series = new Series();
    for (let round = 0; round < plan.rounds; round++) {
      for (const { name, cronexpr } of variants) {
        const sample = await runOnce(system, cronexpr);
        series.add(name, sample);
        const found = `${sample.seconds.toFixed(1)} s, most memory ${number(sample.mebibytes)} MB`;
        plan.tell(`  ${round + 1}/${plan.rounds}  ${name.padEnd(28)} ${found}`);
      }
    }
    const rows = variants.flatMap(({ name }) => {
      const seconds = series.median(name, "seconds");
      const common = { peers: "", ceiling: "", ratio: "" };
      return [
        {
          measurement: `schedule: ${number(jobs)} due jobs into the queue, ${name}`,
          ours: `${seconds.toFixed(1)} s, ${perSecond(jobs / seconds)}`,
          target: `< ${target.seconds} s`,
          ...common,
        },
        {
          measurement: "  first reply",
          ours: `${number(series.median(name, "answeredMs"))} ms`,
          target: "",
          ...common,
        },
        {
          measurement: "  most memory",
          ours: `${number(series.median(name, "mebibytes"))} MB`,
          target: `< ${target.mebibytes} MB`,
          ...common,
        },
      ];
    });
    return { rows, samples: series.toJSON() };
  } finally {
    await servers.close();
  }
}

/** A process of its own each time, so that its most memory is this run's. */
async function runOnce(system: System, cronexpr: string | null) {
  await system.db.query("TRUNCATE tblschedulemail");
  await system.empty();
  await system.db.query(addJobs, [jobs, cronexpr]);
  await system.db.query("VACUUM ANALYZE tblschedulemail");
  const app = await system.start("scheduler", roles.scheduler);
  try {
    const from = performance.now();
    const reply = await fetch(`${app.url}/api/execute/mail/trigger-due`, {
      method: "POST",
      headers: { authorization: system.authorization },
    });
    if (reply.status !== 200) throw new Error(`trigger-due answered ${reply.status}`);
    await reply.arrayBuffer();
    const answeredMs = performance.now() - from;
    await until("jobs to run", async () => await waiting(system));
    await until("messages to publish", async () => jobs - (await system.queued()));
    const seconds = (performance.now() - from) / 1000;
    return { seconds, answeredMs, mebibytes: app.peakBytes() / 2 ** 20 };
  } finally {
    await app.stop();
  }
}

async function waiting({ db }: System): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM tblschedulemail WHERE mailid IS NULL",
  );
  return rows[0]?.count ?? NaN;
}
