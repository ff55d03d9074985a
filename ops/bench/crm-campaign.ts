/**
 * Campaigns of a size: 1,000,000 recipients in multicasts, 100,000 in pushes with links of their own. What is measured
 * is counting and freezing an audience, when LINE has accepted all of it, and when the ledger has been settled.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { startCrm, type Crm } from "../e2e/crm.ts";
import type { LineStanding } from "../e2e/stand-ins/line-server.ts";
import { startSystem, stopAll } from "../e2e/system.ts";
import { eventually } from "../harness/eventually.ts";
import { startPostgres, startRabbit, startRedis } from "../harness/services.ts";

const members = Number(process.env["MEMBERS"] ?? 1_000_000);
const pushed = Math.min(100_000, members);
/** As a container of 256 MB has it. */
const heapLimit = { NODE_OPTIONS: "--max-old-space-size=112" };
const patience = 30 * 60_000;

const addMembers = `
  INSERT INTO members (line_uid, source, friended_at, last_name, first_name)
  SELECT 'U' || lpad(to_hex(n), 32, '0'), 'line', now() - (n % 400) * interval '1 day', '王', '小明'
  FROM generate_series($1::int, $2::int) AS n`;

interface LineProcess {
  child: ChildProcess;
  url: string;
  env: Record<string, string>;
}

async function startLineProcess(): Promise<LineProcess> {
  const file = join(import.meta.dirname, "../e2e/stand-ins/line-server.ts");
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, ...(JSON.parse(line) as { url: string; env: Record<string, string> }) };
}

const standing = async ({ url }: LineProcess) => (await (await fetch(`${url}/stand-in`)).json()) as LineStanding;

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** Seconds of a piece of work. */
async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const result = await work();
  console.log(`  ${what.padEnd(44)} ${((performance.now() - from) / 1000).toFixed(2)} s`);
  return result;
}

async function field(crm: Crm, method: "get" | "post", path: string, body?: unknown): Promise<Record<string, unknown>> {
  const answer = method === "get" ? await crm.get(path) : await crm.post(path, body);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`);
  return answer.body["data"] as Record<string, unknown>;
}

async function measure(
  crm: Crm,
  line: LineProcess,
  pid: number,
  given: { tracking: string; count: number; target: object },
) {
  const { tracking, count, target } = given;
  console.log(`${tracking}: ${count.toLocaleString("en")} recipients`);
  const template = await field(crm, "post", "/templates", {
    type: "text_button",
    content: "Autumn is here",
    buttons: [{ label: "Offers", action_url: "https://hotel.example/offers/autumn" }],
  });
  const body = { title: "Bench", template_id: template["id"], target_audience: target, tracking };
  const { id } = await field(crm, "post", "/campaigns", body);
  await timed("audience counted, by the preview", () => field(crm, "get", `/campaigns/${String(id)}/preview`));
  await fetch(`${line.url}/stand-in`, { method: "POST", body: JSON.stringify({ reset: true }) });
  const from = performance.now();
  const begun = await timed("frozen: send has answered", () => field(crm, "post", `/campaigns/${String(id)}/send`));
  if (begun["sent_count"] !== count) throw new Error(`${String(begun["sent_count"])} are queued`);
  await timed("until LINE has accepted all", () =>
    eventually(async () => (await standing(line)).copies >= count, { what: "all accepted", within: patience }),
  );
  const accepted = (performance.now() - from) / 1000;
  await timed("until the ledger is settled", () =>
    eventually(async () => (await field(crm, "get", `/campaigns/${String(id)}`))["status"] === "sent", {
      what: "settled",
      within: patience,
    }),
  );
  const { histogram, answers, misusedKeys } = await standing(line);
  console.log(
    `  from send to the last accepted               ${accepted.toFixed(1)} s, ${Math.round(count / accepted)} a second`,
  );
  console.log(`  most memory of the worker                    ${Math.round(await memoryOf(pid))} MB`);
  console.log(
    `  users by copies ${JSON.stringify(histogram)}, answers ${JSON.stringify(answers)}, misused keys ${misusedKeys}`,
  );
  await timed("recipients, one page of clicked", () =>
    field(crm, "get", `/campaigns/${String(id)}/recipients?status=clicked`),
  );
  await timed("recipients, one page of sent", () =>
    field(crm, "get", `/campaigns/${String(id)}/recipients?status=sent`),
  );
}

const [postgres, rabbit, redis, line] = await Promise.all([
  startPostgres({ settings: { max_connections: 200 } }),
  startRabbit(),
  startRedis(),
  startLineProcess(),
]);
const shared = {
  DATABASE_URL: postgres.url,
  RABBITMQ_URL: rabbit.url,
  KEYDB_URL: redis.url,
  LOG_LEVEL: "warn",
  ...line.env,
};
const crm = await startCrm({
  env: { ...shared, FUNCTIONS: "health,crm/templates/*,crm/campaigns/!(deliver|sweep|start-due)" },
});
const worker = await startSystem({
  env: {
    ...crm.env,
    ...heapLimit,
    FUNCTIONS: "health,crm/campaigns/deliver,crm/campaigns/sweep,crm/campaigns/start-due",
  },
  token: "none",
});
const database = new Client({ connectionString: postgres.url });
try {
  await database.connect();
  await timed(`${members.toLocaleString("en")} members written`, async () => {
    // What members are found by and counted by is not looked at here, and takes most of the time.
    await database.query("SET session_replication_role = replica");
    for (let first = 1; first <= members; first += 100_000) {
      await database.query(addMembers, [first, Math.min(first + 99_999, members)]);
    }
    await database.query("SET session_replication_role = origin");
  });
  const { rows } = await database.query<{ id: string }>(
    "INSERT INTO tags (name, type) VALUES ('Bench', 'member') RETURNING id",
  );
  const tag = Number(rows[0]?.id);
  await database.query(
    "INSERT INTO member_tag_relations (member_id, tag_id) SELECT id, $1 FROM members ORDER BY id LIMIT $2",
    [tag, pushed],
  );
  await database.query("VACUUM ANALYZE members, member_tag_relations");
  await measure(crm, line, worker.pid, { tracking: "aggregate", count: members, target: { type: "all" } });
  await measure(crm, line, worker.pid, {
    tracking: "member",
    count: pushed,
    target: { type: "tags", include_tags: [tag] },
  });
} finally {
  await database.end();
  await crm.close();
  await stopAll();
  line.child.kill();
  await Promise.all([postgres.stop(), rabbit.stop(), redis.stop()]);
}
