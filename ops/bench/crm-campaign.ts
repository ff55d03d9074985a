/**
 * Campaigns of a size: a million recipients in multicasts, and 100,000 in pushes with links of their own. Measured is
 * counting and freezing an audience, when LINE has accepted all of it, and when the ledger has been settled.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LineStanding } from "../e2e/stand-ins/line-server.ts";
import { root, startApp, type App } from "./app.ts";
import { addUsers } from "./crm-users.ts";
import { number, perSecond, type Plan, type Report, type Row } from "./measure.ts";
import { startMeter, usageRows, usageSample } from "./processor.ts";
import { profiled } from "./profile.ts";
import { inImage, startServers, until, type System } from "./system.ts";

const mostPushed = 100_000;
const target = { countedSeconds: 1, frozenSeconds: 10, settledSeconds: 60, mebibytes: 256, pushesPerSecond: 2000 };
const roles = {
  api: "health,crm/templates/*,crm/campaigns/!(deliver|sweep|start-due)",
  worker: "health,crm/campaigns/deliver,crm/campaigns/sweep,crm/campaigns/start-due",
};
/** LINE's own pace would hide how fast a worker is. */
const unpaced = { LINE_MULTICAST_PER_SECOND: "0", LINE_PUSH_PER_SECOND: "0" };

const addMembers = `
  INSERT INTO members (line_uid, source, friended_at, last_name, first_name)
  SELECT 'U' || lpad(to_hex(n), 32, '0'), 'line', now() - (n % 400) * interval '1 day', '王', '小明'
  FROM generate_series($1::int, $2::int) AS n`;

interface Bench {
  system: System;
  api: App;
  authorization: string;
  line: App;
  tell: Plan["tell"];
}

/** Each is sent once: a second one would find its members warm. */
export async function measureCampaign(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  const own = { LINE_CHANNEL_ACCESS_TOKEN: randomBytes(24).toString("base64"), LINE_CHANNEL_SECRET: "bench" };
  const line = await startApp({
    name: "LINE's stand-in",
    args: [join(root, "ops/e2e/stand-ins/line-server.ts")],
    readyPath: "/stand-in",
    env: (port) => ({ PORT: String(port), ...own }),
  });
  try {
    const secret = randomBytes(32).toString("hex");
    const system = await servers.newSystem("campaign", plan.workers, {
      ...inImage,
      ...own,
      ...unpaced,
      LINE_API_BASE_URL: line.url,
      LINE_DATA_BASE_URL: line.url,
      JWT_SECRET: secret,
      LOG_LEVEL: "warn",
    });
    const pushed = Math.min(mostPushed, plan.members);
    const tag = await seed(system, plan.members, pushed);
    const [authorization = ""] = await addUsers(system, secret, 1);
    const api = await system.start("api", roles.api, profiled(plan, "campaign-api"));
    const worker = await system.start("worker", roles.worker, profiled(plan, "campaign-worker"));
    const bench = { system, api, authorization, line, tell: plan.tell };
    const all = { tracking: "aggregate", count: plan.members, target: { type: "all" } };
    const tagged = { tracking: "member", count: pushed, target: { type: "tags", include_tags: [tag] } };
    const multicast = { ...(await measure(bench, all)), peakBytes: worker.peakBytes() };
    const meter = startMeter({ API: api.pid, worker: worker.pid, [line.name]: line.pid, ...servers.pids });
    const push = { ...(await measure(bench, tagged)), peakBytes: worker.peakBytes() };
    const usages = meter.read();
    return {
      rows: [
        ...rowsOf(`campaign: ${number(plan.members)} in multicasts`, multicast),
        ...rowsOf(`campaign: ${number(pushed)} in pushes`, push, target.pushesPerSecond),
        ...usageRows(usages, pushed, "push"),
      ],
      samples: { multicast: [multicast], push: [push], processorSeconds: [usageSample(usages)] },
    };
  } finally {
    await line.stop();
    await servers.close();
  }
}

/** Members, and a tag that so many of them have. */
async function seed({ db }: System, members: number, tagged: number): Promise<number> {
  // What members are found by and counted by is not looked at here, and takes most of the time.
  await db.query("SET session_replication_role = replica");
  for (let first = 1; first <= members; first += 100_000) {
    await db.query(addMembers, [first, Math.min(first + 99_999, members)]);
  }
  await db.query("SET session_replication_role = origin");
  const { rows } = await db.query<{ id: number }>(
    "INSERT INTO tags (name, type) VALUES ('Bench', 'member') RETURNING id::float8 AS id",
  );
  const tag = rows[0]?.id ?? NaN;
  await db.query(
    "INSERT INTO member_tag_relations (member_id, tag_id) SELECT id, $1 FROM members ORDER BY id LIMIT $2",
    [tag, tagged],
  );
  await db.query("VACUUM ANALYZE members, member_tag_relations");
  return tag;
}

interface Measured {
  countedSeconds: number;
  frozenSeconds: number;
  /** From the request to send until LINE has accepted all, and until the campaign is said to be sent. */
  acceptedSeconds: number;
  settledSeconds: number;
  recipientsPerSecond: number;
  /** A page of those who were sent to. */
  pageSeconds: number;
}

async function measure(
  bench: Bench,
  { tracking, count, target }: { tracking: string; count: number; target: object },
): Promise<Measured> {
  const { line, tell } = bench;
  const template = await ask(bench, "/templates", {
    type: "text_button",
    content: "Autumn is here",
    buttons: [{ label: "Offers", action_url: "https://hotel.example/offers/autumn" }],
  });
  const body = { title: "Bench", template_id: template["id"], target_audience: target, tracking };
  const path = `/campaigns/${String((await ask(bench, "/campaigns", body))["id"])}`;
  await fetch(`${line.url}/stand-in`, { method: "POST", body: JSON.stringify({ reset: true }) });

  let from = performance.now();
  const since = () => (performance.now() - from) / 1000;
  await ask(bench, `${path}/preview`);
  const countedSeconds = since();
  from = performance.now();
  const begun = await ask(bench, `${path}/send`, {});
  const frozenSeconds = since();
  if (begun["sent_count"] !== count) throw new Error(`${String(begun["sent_count"])} of ${count} are queued`);
  await until("recipients whom LINE has accepted", async () => count - (await standing(line)).copies);
  const acceptedSeconds = since();
  await until("batches to be settled", () => left(bench));
  await until("the campaign to be sent", async () => ((await ask(bench, path))["status"] === "sent" ? 0 : 1));
  const settledSeconds = since();
  verify(await standing(line), count);
  from = performance.now();
  await ask(bench, `${path}/recipients?status=sent`);
  const found = {
    countedSeconds,
    frozenSeconds,
    acceptedSeconds,
    settledSeconds,
    recipientsPerSecond: count / acceptedSeconds,
    pageSeconds: since(),
  };
  tell(
    `  ${tracking}: ${Object.entries(found)
      .map(([what, value]) => `${what} ${number(value)}`)
      .join("  ")}`,
  );
  return found;
}

async function left({ system }: Bench): Promise<number> {
  const { rows } = await system.db.query<{ left: number }>(
    "SELECT count(*)::int AS left FROM campaign_batches WHERE state IN ('pending', 'sending')",
  );
  return rows[0]?.left ?? NaN;
}

/** @throws unless everybody got one message, and no retry key was used for another request. */
function verify({ histogram, misusedKeys }: LineStanding, count: number): void {
  const got = Object.entries(histogram).map(([copies, users]) => `${users} users got ${copies}`);
  if (histogram[1] !== count || got.length > 1 || misusedKeys > 0) {
    throw new Error(`Of ${count} recipients, ${got.join(", ")}; ${misusedKeys} retry keys were misused`);
  }
}

function rowsOf(measurement: string, found: Measured & { peakBytes: number }, leastPerSecond?: number): Row[] {
  const row = (measurement: string, ours: string, target = ""): Row => {
    return { measurement, ours, target, peers: "", ceiling: "", ratio: "" };
  };
  const seconds = (value: number) => `${value.toFixed(value < 1 ? 2 : 1)} s`;
  return [
    row(`${measurement}, counted`, seconds(found.countedSeconds), `≤ ${target.countedSeconds} s`),
    row("  frozen: send has answered", seconds(found.frozenSeconds), `≤ ${target.frozenSeconds} s`),
    row(
      "  from send until LINE has accepted all",
      `${seconds(found.acceptedSeconds)}, ${perSecond(found.recipientsPerSecond)}`,
      leastPerSecond === undefined ? "" : `≥ ${number(leastPerSecond)}/s`,
    ),
    row("  from send until the ledger is settled", seconds(found.settledSeconds), `≤ ${target.settledSeconds} s`),
    row("  a page of its recipients", seconds(found.pageSeconds)),
    row("  most memory of the worker", `${number(found.peakBytes / 2 ** 20)} MB`, `≤ ${target.mebibytes} MB`),
  ];
}

const standing = async ({ url }: App) => (await (await fetch(`${url}/stand-in`)).json()) as LineStanding;

/** The data of a route of the CRM: GET, or POST where there is a body. */
async function ask({ api, authorization }: Bench, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${api.url}/api/v1${path}`, {
    headers: { authorization, ...(body && { "content-type": "application/json" }) },
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`);
  return (JSON.parse(text) as { data: Record<string, unknown> }).data;
}
