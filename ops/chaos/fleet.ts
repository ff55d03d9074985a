/** The whole fleet on services of its own, with a line that can fail between it and each of them. */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Pool } from "pg";
import { copyProject, createToken } from "../e2e/fn.ts";
import { startLine, type LineStandIn } from "../e2e/stand-ins/line.ts";
import { startSendGrid, type SendGridStandIn } from "../e2e/stand-ins/sendgrid.ts";
import { startSystem, type System } from "../e2e/system.ts";
import { ownFolder } from "../harness/process.ts";
import { addVhost, startPostgres, startRabbitCluster, startRedis, type Server } from "../harness/services.ts";
import { startTcpRelay, type TcpRelay } from "../harness/tcp-relay.ts";
import { sabotage, type Safeguard } from "./sabotage.ts";

const run = promisify(execFile);

/** How much the folder of attachments holds, where we may say so, in bytes: twice what comes in so many minutes, and room. */
const diskFor = (minutes: number): number => (64 + Math.ceil(minutes * 12)) * 2 ** 20;

export interface Fleet {
  readonly processes: Readonly<Record<"api1" | "api2" | "worker1" | "worker2" | "smtp", System>>;
  readonly services: Readonly<Record<"postgresql" | "redis" | "rabbit1" | "rabbit2" | "rabbit3", Server>>;
  readonly lines: Readonly<Record<"postgresql" | "redis" | "rabbitmq" | "sendgrid" | "line", TcpRelay>>;
  readonly sendgrid: SendGridStandIn;
  readonly line: LineStandIn;
  /** The auditor's own connections: past every line. */
  readonly db: Pool;
  readonly token: string;
  readonly attachments: string;
  /** Whether the folder of attachments is a disk of its own, that can be filled. */
  readonly hasOwnDisk: boolean;
  /** The fleet's environment, for whoever looks at its state as it does. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const api = [
  "health,auth/*,mail/send,mail/send-batch,mail/status,mail/history,mail/cancel,mail/retry,schedule/!(run-due)",
  "crm/templates/*,crm/campaigns/!(deliver|sweep|start-due|read-insights),crm/auto-responses/*,crm/line/webhook",
].join(",");
const worker = [
  "health,mail/deliver,mail/publish-stranded,mail/release-expired,mail/sum-totals,mail/clean-attachments",
  "mail/clean-records,schedule/run-due,crm/campaigns/deliver,crm/campaigns/sweep,crm/campaigns/start-due",
  "crm/line/handle-event,crm/line/sweep",
].join(",");

export async function startFleet({
  without,
  minutes,
}: {
  without: readonly Safeguard[];
  minutes: number;
}): Promise<Fleet> {
  const root = await copyProject();
  await sabotage(root, without);
  const [postgres, redis, cluster, sendgrid, line] = await Promise.all([
    startPostgres({ settings: { max_connections: 200 } }),
    startRedis(),
    startRabbitCluster(),
    startSendGrid({ keep: essence }),
    startLine(),
  ]);
  const [first, ...others] = cluster.nodes;
  if (!first) throw new Error("a cluster has nodes");
  await addVhost(first.controlPort, "chaos");
  const lines = {
    postgresql: await startTcpRelay(postgres.url),
    redis: await startTcpRelay(redis.url),
    rabbitmq: await startTcpRelay(first.url, ...others.map(({ url }) => url)),
    sendgrid: await startTcpRelay(sendgrid.url),
    line: await startTcpRelay(line.url),
  };
  const attachments = ownFolder("attachments");
  const hasOwnDisk = await mountDisk(attachments, diskFor(minutes));
  const env = {
    DATABASE_URL: lines.postgresql.url,
    DATABASE_POOL_SIZE: "10",
    RABBITMQ_URL: `${lines.rabbitmq.url.replace(/\/$/, "")}/chaos`,
    KEYDB_URL: lines.redis.url,
    JWT_SECRET: randomBytes(24).toString("hex"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: lines.sendgrid.url.replace(/\/$/, ""),
    ...line.env,
    LINE_API_BASE_URL: lines.line.url.replace(/\/$/, ""),
    PUBLIC_URL: "https://crm.hotel.example",
    CRM_REQUESTS_PER_MINUTE: "0",
    CRM_SENDS_PER_MINUTE: "0",
    SMTP_AUTH_WITHOUT_TLS: "true",
    ATTACHMENT_PATH: attachments,
    LOG_LEVEL: "warn",
  };
  const token = await createToken({ env, root });
  const start = (functions: string, more: { smtp?: boolean } = {}) =>
    startSystem({ env: { ...env, FUNCTIONS: functions }, root, token, within: 120_000, ...more });
  const [api1, api2, worker1, worker2, smtp] = await Promise.all([
    ...[api, api, worker, worker].map((functions) => start(functions)),
    start("health,mail/receive", { smtp: true }),
  ]);
  if (!api1 || !api2 || !worker1 || !worker2 || !smtp) throw new Error("a process is missing");
  const processes = { api1, api2, worker1, worker2, smtp };
  const db = new Pool({ connectionString: postgres.url, max: 4 });
  db.on("error", () => {}); // the server is killed, among other things
  const [rabbit1, rabbit2, rabbit3] = cluster.nodes;
  if (!rabbit1 || !rabbit2 || !rabbit3) throw new Error("a node is missing");
  return {
    processes,
    services: { postgresql: postgres, redis, rabbit1, rabbit2, rabbit3 },
    lines,
    sendgrid,
    line,
    db,
    token,
    attachments,
    hasOwnDisk,
    env: { ...env, DATABASE_URL: postgres.url },
    async close() {
      await Promise.all(Object.values(processes).map((system) => system.kill()));
      await db.end();
      await Promise.all(Object.values(lines).map((line) => line.close()));
      await Promise.all([postgres.close(), redis.close(), cluster.close(), sendgrid.close(), line.close()]);
      if (hasOwnDisk) await run("umount", ["-l", attachments]);
    },
  };
}

/** A disk that can be filled without filling the machine's. Only root may. */
async function mountDisk(folder: string, bytes: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const args = ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder];
  return await run("mount", args).then(
    () => true,
    () => false,
  );
}

/** What the audit asks of a mail that arrived: whose it is, and what its attachments are. */
function essence(body: Record<string, unknown>): Record<string, unknown> {
  const files = Array.isArray(body["attachments"]) ? body["attachments"] : [];
  const hashes = files.map((file: { content?: unknown }) =>
    createHash("sha256")
      .update(Buffer.from(String(file.content), "base64"))
      .digest("hex"),
  );
  return { subject: body["subject"], hashes };
}

/** Fills the disk of attachments to its last byte, until the file is removed. */
export const fillerOf = (fleet: Fleet): string => join(fleet.attachments, "filler");
