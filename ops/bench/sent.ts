/** How fast mail goes all the way: accepted by POST, through RabbitMQ, to a provider that takes everything at once. */
import { setTimeout as wait } from "node:timers/promises";
import type { App } from "./app.ts";
import { connections } from "./load.ts";
import { interleave, number, perSecond, type Contender, type Plan, type Report, type Sample } from "./measure.ts";
import { startPosting } from "./post.ts";
import { profiled } from "./profile.ts";
import { mail, roles, startServers, until, type Servers, type System } from "./system.ts";

/** Mails that may be accepted and not yet sent: enough to keep everybody busy, and no pile that hides a slow worker. */
const mostUnderWay = 500;
const warmUpMs = 2000;

interface Variant {
  name: string;
  system: System;
  processes: App[];
  url: string;
}

export async function measureSent(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const together = [["all", `${roles.api},${roles.worker}`]] as const;
    const apart = [
      ["api", roles.api],
      ["worker", roles.worker],
    ] as const;
    const variants = [
      await startVariant(servers, plan, "one process", "together", together),
      await startVariant(servers, plan, "api and worker apart", "apart", apart),
    ];
    const flatOut = await interleave(variants.map(throughput), plan);
    const halfLoad = await interleave(
      variants.map((variant) => latency(variant, flatOut.median(variant.name) / 2)),
      plan,
    );
    const rows = variants.flatMap(({ name }) => [
      {
        measurement: `accept → sent, ${name}`,
        ours: perSecond(flatOut.median(name)),
        peers: "",
        ceiling: "",
        ratio: "",
        target: "≥ 1,000/s",
      },
      {
        measurement: "  at half that load",
        ours: `p50 ${number(halfLoad.median(name, "p50Ms"))} ms, p99 ${number(halfLoad.median(name, "p99Ms"))} ms`,
        peers: "",
        ceiling: "",
        ratio: "",
        target: "",
      },
    ]);
    return { rows, samples: { ...flatOut.toJSON(), ...suffixed(halfLoad.toJSON(), ", half load") } };
  } finally {
    await servers.close();
  }
}

async function startVariant(
  servers: Servers,
  plan: Plan,
  name: string,
  database: string,
  processes: readonly (readonly [role: string, functions: string])[],
): Promise<Variant> {
  const system = await servers.newSystem(database, plan.workers);
  const apps: App[] = [];
  for (const [role, functions] of processes) {
    apps.push(await system.start(role, functions, profiled(plan, `sent-${database}-${role}`)));
  }
  return { name, system, processes: apps, url: `${apps[0]?.url}/api/v1/mail/send` };
}

/** Sends as much as is delivered: a reply of the provider makes room for the next mail. */
const throughput = (variant: Variant): Contender => ({
  name: variant.name,
  async measure(seconds) {
    let delivered = 0;
    const start = await accepted(variant);
    const asking = setInterval(() => void accepted(variant).then((count) => (delivered = count - start)), 20);
    try {
      return await through(variant, seconds, (begun) => begun - delivered < mostUnderWay);
    } finally {
      clearInterval(asking);
    }
  },
});

/** Sends at a steady rate, half of what the system can do: how long a mail takes when nothing is in its way. */
const latency = (variant: Variant, rate: number): Contender => ({
  name: variant.name,
  measure(seconds) {
    const start = performance.now();
    return through(variant, seconds, (begun) => begun < ((performance.now() - start) / 1000) * rate);
  },
});

async function through(variant: Variant, seconds: number, mayPost: (begun: number) => boolean): Promise<Sample> {
  const { system, processes, url } = variant;
  const { db, authorization } = system;
  await system.empty();
  const before = await accepted(variant);
  const posting = startPosting(url, { connections, authorization, body: JSON.stringify(mail), mayPost });
  await wait(warmUpMs);
  const from = await now(system);
  const cpuBefore = cpu(processes);
  await wait(seconds * 1000);
  const to = await now(system);
  const cpuUsed = cpu(processes) - cpuBefore;
  await posting.stop();
  await until("mails are sent", async () => posting.accepted() - (await sent(system)));
  const calls = (await accepted(variant)) - before;
  if (calls !== posting.accepted()) {
    throw new Error(`${posting.accepted()} mails were accepted, and ${calls} arrived at the provider`);
  }
  const { rows } = await db.query<{ count: number; seconds: number; p50: number; p99: number }>(
    `SELECT count(*)::int AS count, extract(epoch FROM $2::timestamptz - $1::timestamptz)::float AS seconds,
            1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - created_at)) AS p50,
            1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - created_at)) AS p99
     FROM mails WHERE sent_at >= $1 AND sent_at < $2`,
    [from, to],
  );
  const [found] = rows;
  if (!found || found.count === 0) throw new Error("No mail was sent");
  const rate = found.count / found.seconds;
  return { perSecond: rate, p50Ms: found.p50, p99Ms: found.p99, cpuUs: (cpuUsed / found.count) * 1e6 };
}

const cpu = (processes: readonly App[]): number => processes.reduce((sum, app) => sum + app.cpuSeconds(), 0);

async function now({ db }: System): Promise<string> {
  const { rows } = await db.query<{ now: string }>("SELECT clock_timestamp()::text AS now");
  return rows[0]?.now ?? "";
}

async function sent({ db }: System): Promise<number> {
  const { rows } = await db.query<{ count: number }>("SELECT count(*)::int AS count FROM mails WHERE status = 'sent'");
  return rows[0]?.count ?? 0;
}

/** Mails that have arrived at the provider. */
async function accepted({ system }: Variant): Promise<number> {
  return Number(await (await fetch(`${system.provider.url}/accepted`)).text());
}

function suffixed<T>(samples: Record<string, T>, suffix: string): Record<string, T> {
  return Object.fromEntries(Object.entries(samples).map(([name, value]) => [name + suffix, value]));
}
