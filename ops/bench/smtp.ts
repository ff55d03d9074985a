/** How fast mail is taken in by SMTP, beside Postfix and Haraka, and how much memory that takes. */
import { freePort } from "../harness/server.ts";
import type { App } from "./app.ts";
import { interleave, number, perSecond } from "./measure.ts";
import type { Contender, Plan, Report, Row, Sample, Series } from "./measure.ts";
import { postfixRuns, startPostfix } from "./postfix.ts";
import { profiled } from "./profile.ts";
import { startCeiling, startHaraka, type Receiver } from "./smtp-peers.ts";
import { installSmtpSource, messageFile, sendBySmtp } from "./smtp-source.ts";
import { roles, rows, settled, startServers, type System } from "./system.ts";

const sizes = [
  { size: "4 KB", bytes: 4_000 },
  { size: "100 KB", bytes: 100_000 },
  { size: "1 MB", bytes: 1_000_000 },
];
const kinds = [
  { kind: "sessions kept", kept: true },
  { kind: "new connections", kept: false },
];
const sessions = 20;
const warmUpSeconds = 2;

const targets: Readonly<Record<string, string>> = {
  "4 KB, sessions kept": "≥ 1.5 × Postfix, ≥ 3 × Haraka",
  "4 KB, new connections": "≥ 1 × Postfix",
};

/** The largest mails, from more sessions than otherwise. */
const large = { sessions: 50, bytes: 1_000_000, mails: 500, targetMegabytes: 256 };
const mebibyte = 2 ** 20;

/** The whole system runs, with one process that takes mail in and publishes it; nobody delivers. */
export async function measureSmtp(plan: Plan): Promise<Report> {
  if (!(await installSmtpSource(plan.tell))) {
    plan.tell("smtp-source (of Debian's package postfix) is not installed: SMTP is left out.");
    return { rows: [], samples: {} };
  }
  const servers = await startServers(plan.tell);
  const receivers: Receiver[] = [];
  try {
    const port = await freePort();
    const env = { SMTP_INBOUND_PORT: String(port), SMTP_INBOUND_TLS_PORT: "0" };
    const system = await servers.newSystem("smtp", plan.workers, env);
    const app = await system.start("smtp", roles.smtp, profiled(plan, "smtp"));
    plan.tell("Starting Postfix, Haraka, smtp-server …");
    if (!postfixRuns()) plan.tell("Postfix runs as root only: it is left out.");
    else receivers.push(await startPostfix("Postfix", "discard"), await startPostfix("Postfix, only queueing", "hold"));
    receivers.push(await startHaraka(), await startCeiling());
    const table: Row[] = [];
    const samples: Record<string, Sample[]> = {};
    for (const { size, bytes } of sizes) {
      for (const { kind, kept } of kinds) {
        const name = `${size}, ${kind}`;
        plan.tell(`${name}:`);
        const message = { file: messageFile(bytes), bytes, kept };
        const contenders = [ours(system, app, port), ...receivers].map((receiver) => contender(receiver, message));
        for (const { warmUp } of contenders) await warmUp();
        const series = await interleave(contenders, plan);
        table.push(rowOf(name, series, receivers));
        for (const [who, found] of Object.entries(series.toJSON())) samples[`${who}, ${name}`] = found;
      }
    }
    await app.stop();
    const memory = await measureMemory(system, port, plan);
    return { rows: [...table, memory.row], samples: { ...samples, memory: memory.samples } };
  } finally {
    await Promise.all(receivers.map((receiver) => receiver.close()));
    await servers.close();
  }
}

function ours(system: System, app: App, port: number): Receiver {
  return {
    name: "ours",
    port,
    async settle(mails) {
      await settled(system);
      const there = await rows(system);
      if (there !== mails) throw new Error(`${mails} mails were accepted, and ${there} are in the database`);
      await system.empty();
    },
    cpuSeconds: app.cpuSeconds,
    close: app.stop,
  };
}

interface Message {
  file: string;
  bytes: number;
  kept: boolean;
}

/** How many mails take the time of a measurement is known from the one before. */
function contender(receiver: Receiver, { file, bytes, kept }: Message): Contender & { warmUp(): Promise<void> } {
  const { name, port, settle, cpuSeconds } = receiver;
  let rate = 0;
  const send = async (mails: number) => {
    const seconds = await sendBySmtp({ port, file, mails, sessions, kept });
    rate = mails / seconds;
    return seconds;
  };
  return {
    name,
    async warmUp() {
      let seconds = 0;
      for (let mails = 2 * sessions; seconds < warmUpSeconds; mails *= 2) {
        seconds += await send(mails);
        await settle(mails);
      }
    },
    async measure(seconds) {
      const mails = Math.max(sessions, Math.round(rate * seconds));
      const before = cpuSeconds?.();
      await send(mails);
      const spent = before === undefined || !cpuSeconds ? {} : { cpuUs: ((cpuSeconds() - before) / mails) * 1e6 };
      await settle(mails);
      return { perSecond: rate, megabytesPerSecond: (rate * bytes) / 1e6, ...spent };
    },
  };
}

/** The ceiling is the last of the receivers; the others are peers. */
function rowOf(name: string, series: Series, receivers: readonly Receiver[]): Row {
  const figures = (who: string) => {
    const megabytes = series.median(who, "megabytesPerSecond");
    return perSecond(series.median(who)) + (megabytes < 20 ? "" : ` (${number(megabytes)} MB/s)`);
  };
  const peers = receivers.slice(0, -1).map((peer) => peer.name);
  const ratio = (peer: string) => `${series.ratio("ours", peer).toFixed(2)} × ${peer}`;
  return {
    measurement: `SMTP, ${name}`,
    ours: figures("ours"),
    peers: peers.map((peer) => `${peer} ${figures(peer)}`).join(" · "),
    ceiling: receivers
      .slice(-1)
      .map((ceiling) => `${ceiling.name} ${figures(ceiling.name)}`)
      .join(),
    ratio: peers.map(ratio).join(" · "),
    target: targets[name] ?? "",
  };
}

/** Of a process that has done nothing else: what it had in memory at most. */
async function measureMemory(system: System, port: number, plan: Plan): Promise<{ row: Row; samples: Sample[] }> {
  const app = await system.start("smtp", roles.smtp);
  const { settle } = ours(system, app, port);
  const file = messageFile(large.bytes);
  const samples: Sample[] = [];
  const idle = app.peakBytes() / mebibyte;
  for (let round = 0; round < plan.rounds; round++) {
    await sendBySmtp({ port, file, mails: large.mails, sessions: large.sessions, kept: false });
    const peak = app.peakBytes() / mebibyte;
    samples.push({ idle, peak });
    plan.tell(`  ${round + 1}/${plan.rounds}  ${"memory".padEnd(28)} idle ${number(idle)} MB  peak ${number(peak)} MB`);
    await settle(large.mails);
  }
  const row = {
    measurement: `  memory, ${large.sessions} sessions × 1 MB`,
    ours: `${number(app.peakBytes() / mebibyte)} MB`,
    peers: "",
    ceiling: "",
    ratio: "",
    target: `< ${large.targetMegabytes} MB`,
  };
  return { row, samples };
}
