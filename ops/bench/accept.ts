/** How fast mail is accepted, against a bare loop that inserts the same rows into the same table. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { root } from "./app.ts";
import { connections, load } from "./load.ts";
import { interleave, number, perSecond, type Plan, type Report } from "./measure.ts";
import { startPosting } from "./post.ts";
import { profiled } from "./profile.ts";
import { mail, roles, rows, settled, startServers, type System } from "./system.ts";

const run = promisify(execFile);

/** The whole system runs, with one process that takes mail in and publishes it; nobody delivers. */
export async function measureAccept(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const system = await servers.newSystem("accept", plan.workers);
    const api = await system.start("api", roles.api, profiled(plan, "accept-api"));
    const url = `${api.url}/api/v1/mail/send`;
    const post = (seconds: number) =>
      load({ url, seconds, body: JSON.stringify(mail), authorization: system.authorization });
    await post(3);
    await settled(system);
    const contenders = [
      {
        name: "ours",
        async measure(seconds: number) {
          await system.empty();
          const before = api.cpuSeconds();
          const { perSecond: rate, replies, p50Ms, p99Ms } = await post(seconds);
          const cpuUs = ((api.cpuSeconds() - before) / replies) * 1e6;
          await verify(system, replies);
          return { perSecond: rate, p50Ms, p99Ms, cpuUs };
        },
      },
      {
        name: "bare INSERTs",
        async measure(seconds: number) {
          await system.empty();
          return insertLoop(system.databaseUrl, seconds);
        },
      },
    ];
    const series = await interleave(contenders, plan);
    const large = large1Mb(api.url);
    const batch = batchOf1000(api.url);
    const bulk = await interleave(
      [large, batch].map((one) => ({ ...one, measure: posting(system, one) })),
      plan,
    );
    const row = {
      measurement: "accept: POST until 200",
      ours: perSecond(series.median("ours")),
      peers: "",
      ceiling: `bare INSERTs ${perSecond(series.median("bare INSERTs"))}`,
      ratio: series.ratio("ours", "bare INSERTs").toFixed(2),
      target: "≥ 1,500/s, ≥ 0.50",
    };
    const others = [large, batch].map(({ name }) => ({
      measurement: `  ${name}`,
      ours: `${perSecond(bulk.median(name))} (${number(bulk.median(name, "megabytesPerSecond"))} MB/s)`,
      peers: "",
      ceiling: "",
      ratio: "",
      target: "",
    }));
    return { rows: [row, ...others], samples: { ...series.toJSON(), ...bulk.toJSON() } };
  } finally {
    await servers.close();
  }
}

interface Bulk {
  name: string;
  url: string;
  body: string;
  unique?: string;
  connections: number;
  /** In one request. */
  mails: number;
}

/** Each attachment is another: what the house has already it would not write again. */
function large1Mb(api: string): Bulk {
  const unique = "0123456789abcdef";
  const content = unique + randomBytes(2 ** 20 - 12).toString("base64");
  const body = JSON.stringify({ ...mail, attachments: [{ filename: "report.pdf", content }] });
  return {
    name: "with an attachment of 1 MB",
    url: `${api}/api/v1/mail/send`,
    body,
    unique,
    connections: 16,
    mails: 1,
  };
}

function batchOf1000(api: string): Bulk {
  const mails = Array.from({ length: 1000 }, () => mail);
  const body = JSON.stringify({ mails });
  return { name: "in batches of 1,000", url: `${api}/api/v1/mail/send/batch`, body, connections: 4, mails: 1000 };
}

/** Mails in a second; a request counts once it has its answer. */
const posting = (system: System, bulk: Bulk) => async (seconds: number) => {
  await system.empty();
  const started = performance.now();
  const { authorization } = system;
  const posts = startPosting(bulk.url, {
    ...bulk,
    authorization,
    mayPost: () => performance.now() - started < seconds * 1000,
  });
  await wait(seconds * 1000);
  await posts.stop();
  const perRequest = 1000 / (performance.now() - started);
  const requests = posts.accepted();
  await settled(system);
  const accepted = await rows(system);
  if (accepted !== requests * bulk.mails) {
    throw new Error(`${requests * bulk.mails} mails were accepted, and ${accepted} are in the database`);
  }
  const megabytesPerSecond = (requests * perRequest * bulk.body.length) / 1e6;
  return { perSecond: requests * bulk.mails * perRequest, megabytesPerSecond };
};

async function insertLoop(databaseUrl: string, seconds: number): Promise<{ perSecond: number }> {
  const env = { PATH: process.env["PATH"], DATABASE_URL: databaseUrl, SECONDS: String(seconds) };
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "insert-loop.ts")], { cwd: root, env });
  // The loop's own report.
  return JSON.parse(stdout) as { perSecond: number };
}

/** Every reply stands for a row and a message. Requests that the generator broke off at its end may have left more. */
async function verify(system: System, replies: number): Promise<void> {
  await settled(system);
  const accepted = await rows(system);
  if (accepted < replies || accepted > replies + connections) {
    throw new Error(`${replies} mails were accepted, and ${accepted} are in the database`);
  }
}
