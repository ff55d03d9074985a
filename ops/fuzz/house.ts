/** What is fuzzed: the whole system on services of its own, with a stand-in for LINE that tells what it is sent. */
import { randomBytes } from "node:crypto";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { runFn } from "../e2e/fn.ts";
import { startLine } from "../e2e/stand-ins/line.ts";
import { startSystem, type System } from "../e2e/system.ts";
import { addVhost, startPostgres, startRabbit, startRedis } from "../harness/services.ts";
import type { Known } from "./known.ts";

export interface House {
  system: System;
  databaseUrl: string;
  rabbitUrl: string;
  jwtSecret: string;
  lineSecret: string;
  close(): Promise<void>;
}

/** Members of the invented hotel: a campaign to all of them is some work, and no more. */
const members = "60";
const tidyMs = 20_000;

export async function openHouse(known: Known): Promise<House> {
  const [postgres, redis, rabbit] = await Promise.all([startPostgres({ durable: false }), startRedis(), startRabbit()]);
  await addVhost(rabbit.controlPort, "fuzz");
  const line = await startLine({
    keepMessages: false,
    other(_request, body) {
      const text = body.toString();
      known.learnLinks(text);
      for (const [, data = ""] of text.matchAll(/"type":"postback"[^}]*"data":"([^"]+)"/g)) known.add("postback", data);
      return undefined;
    },
  });
  // Some of what a campaign sends has to be sent again, or takes its time: so that one can be met on its way.
  line.plan({ seed: 1, throttled: 0.02, broken: 0.02, reset: 0.01, resetAccepted: 0.01, delay: 0.3, delayMs: 300 });
  const env = {
    DATABASE_URL: postgres.url,
    RABBITMQ_URL: `${rabbit.url}/fuzz`,
    KEYDB_URL: redis.url,
    JWT_SECRET: randomBytes(24).toString("hex"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    MAIL_SENDER: "sandbox",
    ORG_EMAIL_DOMAIN: "corp.example",
    ...line.env,
    SMTP_MAX_CONNECTIONS_PER_ADDRESS: "500",
    SMTP_AUTH_WITHOUT_TLS: "true",
    CRM_REQUESTS_PER_MINUTE: "0",
    CRM_SENDS_PER_MINUTE: "0",
    TRUSTED_PROXIES: "127.0.0.1/32",
    LOG_LEVEL: "error",
    // The image has 112 for a process of one role; the code of all of them takes 90.
    NODE_OPTIONS: "--max-old-space-size=128",
  };
  const seeded = await runFn(["seed", "crm", "--members", members], { env, within: 120_000 });
  if (seeded.code !== 0) throw new Error(`no hotel: ${seeded.stderr}`);
  const system = await startSystem({ env, smtp: true, within: 120_000 });
  // What has been delivered is not looked at: a million files are only in the way.
  const tidy = async () => {
    const names = await system.inbox();
    for (const name of names) await unlink(join(system.dataDir, "inbox", name));
  };
  const timer = setInterval(() => void tidy().catch(() => {}), tidyMs);
  return {
    system,
    databaseUrl: postgres.url,
    rabbitUrl: env.RABBITMQ_URL,
    jwtSecret: env.JWT_SECRET,
    lineSecret: line.secret,
    async close() {
      clearInterval(timer);
      await system.stop();
      await Promise.all([postgres.close(), redis.close(), rabbit.close(), line.close()]);
    },
  };
}
