/**
 * What it costs to keep the totals of history: the statements that accept, claim and settle mail, straight on
 * PostgreSQL, with the triggers and without. Commits do not wait for the disk here, which would hide the difference.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { pino } from "pino";
import { acceptMails, type AcceptRow } from "../../lib/mail/accept.sql.ts";
import { claimMails, settleMails, type ClaimRow, type SettleRow } from "../../lib/mail/deliver.sql.ts";
import { sumChanges, vacuumChanges } from "../../lib/mail/totals.sql.ts";
import type { Statement } from "../../lib/resources/database.ts";
import { migrate } from "../../lib/resources/migrations.ts";
import { install } from "../harness/install.ts";
import { startPostgres } from "../harness/services.ts";
import { root } from "./app.ts";
import { interleave, number, type Contender, type Plan, type Report, type Sample } from "./measure.ts";
import { mail } from "./system.ts";

const sizes = [1, 20, 200];
const steps = ["accept", "claim", "settle"] as const;
const clients = 3;

export async function measureTotals(plan: Plan): Promise<Report> {
  if ((await install(plan.tell)).includes("PostgreSQL")) throw new Error("This needs PostgreSQL.");
  const server = await startPostgres();
  const db = new Client({ connectionString: server.url });
  try {
    await migrate({ url: server.url, folder: join(root, "sql"), log: pino({ level: "silent" }) });
    await db.connect();
    await db.query("SET synchronous_commit = off");
    const { rows: backend } = await db.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const bench = { db, pid: backend[0]?.pid ?? 0 };
    const contenders = sizes.flatMap((size): Contender[] =>
      [true, false].map((counting) => ({
        name: nameOf(size, counting),
        measure: (seconds) => measure(bench, { size, counting, seconds: seconds / 4 }),
      })),
    );
    const warm = { ...plan, rounds: 1, seconds: 1, tell() {} };
    await interleave(contenders, warm);
    const series = await interleave(contenders, plan);
    const us = (size: number, counting: boolean, step: string) =>
      `${number(series.median(nameOf(size, counting), step))} µs a mail`;
    const rows = steps.flatMap((step) =>
      sizes.map((size) => ({
        measurement: `totals: ${step}, ${size} at once`,
        ours: us(size, true, step),
        peers: "",
        ceiling: `without ${us(size, false, step)}`,
        ratio: series.ratio(nameOf(size, true), nameOf(size, false), step).toFixed(2),
        lessIsBetter: true,
        target: "",
      })),
    );
    return { rows, samples: series.toJSON() };
  } finally {
    await db.end();
    await server.close();
  }
}

const nameOf = (size: number, counting: boolean): string => `${size} at once${counting ? "" : ", uncounted"}`;

/** Processor time of the backend for one mail, in microseconds, by step. */
async function measure(
  bench: { db: Client; pid: number },
  { size, counting, seconds }: { size: number; counting: boolean; seconds: number },
): Promise<Sample> {
  const { db, pid } = bench;
  await db.query(
    `TRUNCATE mails, mail_events CASCADE; ALTER TABLE mails ${counting ? "ENABLE" : "DISABLE"} TRIGGER USER`,
  );
  const spent = { accept: 0, claim: 0, settle: 0 };
  let mails = 0;
  const run = async <In extends object>(step: keyof typeof spent, { name, sql }: Statement<In, object>, rows: In[]) => {
    const values = [JSON.stringify(rows.map((row, i) => ({ ...row, i })))];
    const before = cpuUs(pid);
    const { rowCount } = await db.query({ name, text: sql, values });
    spent[step] += cpuUs(pid) - before;
    if (rowCount !== rows.length) throw new Error(`${name} answered ${rowCount} of ${rows.length} mails`);
  };
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const accepted = Array.from({ length: size }, (_, i) => acceptRow(i));
    await run("accept", acceptMails, accepted);
    await run<ClaimRow>(
      "claim",
      claimMails,
      accepted.map(({ id }) => ({ id, attempt: 1 })),
    );
    await run<SettleRow>(
      "settle",
      settleMails,
      accepted.map(({ id }) => ({ id, attempt: 1, ...sent })),
    );
    mails += size;
  }
  await db.query(sumChanges, [1e6]);
  await db.query(vacuumChanges);
  return Object.fromEntries(steps.map((step) => [step, spent[step] / mails]));
}

/** proc(5): what the process has run, in nanoseconds. Where there is none, the time that has passed. */
function cpuUs(pid: number): number {
  if (process.platform !== "linux") return performance.now() * 1000;
  return Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]) / 1000;
}

function acceptRow(index: number): AcceptRow {
  const now = new Date();
  return {
    id: randomUUID(),
    from_address: "bench@example.com",
    to_addresses: mail.to,
    cc_addresses: [],
    bcc_addresses: [],
    reply_to: [],
    headers: null,
    names: { "bench@example.com": "Bench" },
    subject: mail.subject,
    body: mail.body,
    html: null,
    client_id: `client_${index % clients}`,
    client_name: "Bench",
    source: "api",
    metadata: null,
    created_at: now.toISOString(),
    send_at: null,
    due_at: new Date(now.getTime() + 30_000).toISOString(),
    batch_id: null,
    relay: null,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    idempotency_key: null,
    body_hash: null,
    attachment_bytes: 0,
    attachments: [],
  };
}

const sent = {
  status: "sent",
  retry_count: 0,
  error_message: null,
  delay_ms: 0,
  published: false,
  event: "sent",
  provider: "sendgrid",
  duration_ms: 3,
  code: "http_202",
} as const;
