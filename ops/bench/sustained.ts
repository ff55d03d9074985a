/**
 * Minutes of steady load, all the way: accepted by POST, through RabbitMQ, to the provider. Shows whether anything is
 * lost, doubled, piled up or leaked when it goes on, and who is the busiest of those that take part.
 */
import type { App } from "./app.ts";
import { watch, type Course } from "./course.ts";
import { number, type Plan, type Report, type Row, type Sample } from "./measure.ts";
import { askAtPace, percentiles } from "./pace.ts";
import { treeBytes } from "./processes.ts";
import { pieceMs, startMeter, usageRows, usageSample, type Usage } from "./processor.ts";
import { profiled } from "./profile.ts";
import { reconcile } from "./reconcile.ts";
import { inImage, mail, roles, startServers, until, type System } from "./system.ts";

/** So many that a request finds one at its time, unless the API has not answered for a second. */
const mostConnections = 1000;
/** Shares of the rate, for five seconds each: nobody gets his full load in the second in which he starts. */
const warmUp = [0.1, 0.3, 1];
const warmUpSeconds = 5;
const lookEveryMs = 2000;
/** Every so many of those are told. */
const tellEvery = 5;
const target = { p99Ms: 250, mebibytes: 256 };

/** API and worker apart, each as the image starts it. Runs once, for so many minutes. */
export async function measureSustained(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const system = await servers.newSystem("sustained", plan.workers, inImage);
    const api = await system.start("api", roles.api, profiled(plan, "sustained-api"));
    const worker = await system.start("worker", roles.worker, profiled(plan, "sustained-worker"));
    const accepted: string[] = [];
    const post = (perSecond: number, seconds: number, onLatency: (ms: number) => void) =>
      askAtPace({
        url: api.url,
        authorization: system.authorization,
        perSecond,
        seconds,
        connections: Math.min(mostConnections, plan.rate),
        path: () => "/api/v1/mail/send",
        body: JSON.stringify(mail),
        onAnswer(body, latencyMs) {
          accepted.push((JSON.parse(body) as { mail_id: string }).mail_id);
          onLatency(latencyMs);
        },
      });
    for (const share of warmUp) await post(share * plan.rate, warmUpSeconds, () => {});
    await arrived(system, accepted);

    const before = accepted.length;
    const from = await now(system);
    const meter = startMeter({ API: api.pid, worker: worker.pid, provider: system.provider.pid, ...servers.pids });
    const latest: number[] = [];
    const watching = watch(() => look({ system, api, worker, accepted, latest }), lookEveryMs, teller(plan));
    const replies = await post(plan.rate, plan.minutes * 60, (ms) => latest.push(ms)).catch(async (error: unknown) => {
      await watching.stop().catch(() => undefined);
      throw error;
    });
    const course = await watching.stop();
    const usages = meter.read();

    await arrived(system, accepted);
    reconcile({ accepted, sent: await sentIds(system), arrived: (await ask(system, "/ids")).split("\n") });
    const mails = accepted.length - before;
    return report(plan, { replies, sent: await toSent(system, from), course, usages, mails });
  } finally {
    await servers.close();
  }
}

interface Found {
  /** Latencies until 200. */
  replies: Sample;
  /** Latencies from accepted to sent. */
  sent: Sample;
  course: Course;
  usages: readonly Usage[];
  mails: number;
}

function report({ rate, minutes }: Plan, { replies, sent, course, usages, mails }: Found): Report {
  // A minute, where there is more than a few of them.
  const windowSeconds = Math.min(60, minutes * 15);
  const window = `${windowSeconds} s`;
  const growth = (what: string) => signed(course.growthPerMinute(what));
  const row = (measurement: string, ours: string, target = ""): Row => {
    return { measurement, ours, target, peers: "", ceiling: "", ratio: "" };
  };
  const ends = (what: string) => {
    const { first, last } = course.ends(what, windowSeconds);
    return `${number(first)}, then ${number(last)}`;
  };
  const memory = (role: string, what: string) =>
    row(
      `  memory of the ${role}, first and last ${window}`,
      `${ends(what)} MB; ${growth(what)} MB/min`,
      `flat, < ${target.mebibytes} MB`,
    );
  return {
    rows: [
      row(
        `sustained: ${number(rate * 60)} mails/min for ${minutes} min, until 200`,
        percentilesOf(replies),
        `p99 < ${target.p99Ms} ms`,
      ),
      row("  accepted → sent", percentilesOf(sent)),
      row("  lost, or twice at the provider", `none of ${number(mails)}`, "none"),
      row(
        `  under way, first and last ${window}`,
        `${ends("underWay")}; ${growth("underWay")} /min, most ${number(course.most("underWay"))}`,
        "flat",
      ),
      row(
        `  waiting in RabbitMQ, first and last ${window}`,
        `${ends("queued")}, most ${number(course.most("queued"))}`,
        "flat",
      ),
      memory("API", "apiMb"),
      memory("worker", "workerMb"),
      ...usageRows(usages, mails, "mail"),
      row(
        `  time of a fixed piece of work, first and last ${window}`,
        `${ends("pieceMs")} ms, most ${number(course.most("pieceMs"))}`,
        "flat",
      ),
    ],
    samples: { replies: [replies], sent: [sent], course: course.samples, processorSeconds: [usageSample(usages)] },
  };
}

const percentilesOf = ({ p50Ms = NaN, p95Ms = NaN, p99Ms = NaN }: Sample): string =>
  `p50 ${number(p50Ms)}, p95 ${number(p95Ms)}, p99 ${number(p99Ms)} ms`;

const signed = (value: number): string => (value > 0 ? `+${number(value)}` : number(value));

interface Seen {
  system: System;
  api: App;
  worker: App;
  accepted: readonly string[];
  /** Latencies since it was looked at last. */
  latest: number[];
}

async function look({ system, api, worker, accepted, latest }: Seen): Promise<Sample> {
  const [queued, delivered] = await Promise.all([system.queued(), count(system)]);
  const megabytes = (app: App) => treeBytes(app.pid) / 2 ** 20;
  return {
    apiMb: megabytes(api),
    workerMb: megabytes(worker),
    queued,
    // One may be with the provider before its reply is with us.
    underWay: Math.max(0, accepted.length - delivered),
    acceptP99Ms: percentiles(latest.splice(0))["p99Ms"] ?? NaN,
    pieceMs: pieceMs(),
  };
}

function teller({ tell }: Plan): (sample: Sample) => void {
  let looked = 0;
  return (sample) => {
    if (looked++ % tellEvery !== 0) return;
    tell(
      `  ${Object.entries(sample)
        .map(([what, value]) => `${what} ${number(value)}`)
        .join("  ")}`,
    );
  };
}

/** Waits until the provider has as many as were accepted, and then until the database knows. */
async function arrived(system: System, { length }: readonly string[]): Promise<void> {
  await until("mails to arrive at the provider", async () => length - (await count(system)));
  await until("mails to be settled", async () => {
    const { rows } = await system.db.query<{ left: number }>(
      "SELECT count(*)::int AS left FROM mails WHERE status IN ('queued', 'processing')",
    );
    return rows[0]?.left ?? NaN;
  });
}

async function toSent({ db }: System, from: string): Promise<Sample> {
  const { rows } = await db.query<{ seconds: number[] }>(
    `SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99, 1])
              WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - created_at)::float) AS seconds
     FROM mails WHERE created_at >= $1`,
    [from],
  );
  const [p50Ms = NaN, p95Ms = NaN, p99Ms = NaN, longestMs = NaN] = rows[0]?.seconds.map((one) => one * 1000) ?? [];
  return { p50Ms, p95Ms, p99Ms, longestMs };
}

const ask = async ({ provider }: System, path: string) => await (await fetch(provider.url + path)).text();
const count = async (system: System) => Number(await ask(system, "/accepted"));

async function sentIds({ db }: System): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>("SELECT id FROM mails WHERE status = 'sent'");
  return rows.map(({ id }) => id);
}

async function now({ db }: System): Promise<string> {
  const { rows } = await db.query<{ now: string }>("SELECT clock_timestamp()::text AS now");
  return rows[0]?.now ?? "";
}
