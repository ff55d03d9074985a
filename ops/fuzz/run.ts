/** Throws spoilt input at every door of the system and watches it: `npm run fuzz -- --help`. */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { install } from "../harness/install.ts";
import { seeded } from "../harness/random.ts";
import { addVhost, startPostgres, startRabbit, startRedis } from "../harness/services.ts";
import { startSystem, type System } from "../e2e/system.ts";
import { fuzzHttp } from "./doors/http.ts";
import { fuzzQueue } from "./doors/queue.ts";
import { fuzzSmtp } from "./doors/smtp.ts";
import { fuzzWebhook } from "./doors/webhook.ts";
import { Findings } from "./findings.ts";
import { watch } from "./watch.ts";

const help = `npm run fuzz -- [options]

  --requests <n>   HTTP requests (20000)
  --sessions <n>   SMTP sessions (1000)
  --messages <n>   messages of the mail queue, and bodies of LINE's webhook (1000)
  --seed <n>       replays a run
  --only <door>    http, smtp, queue or webhook
  --json           the result as JSON on stdout

Ends with 0 without a finding, 1 with one, 2 when it could not be run. A finding is an answer of 500, an answer that does
not come within 5 s, a line of the log at error level, a process that ends, or memory beyond its limit.
`;

const { values: options } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    sessions: { type: "string", default: "1000" },
    messages: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const began = performance.now();
const tell = (line: string): void =>
  console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(8)} s  ${line}`);

if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
process.exit(
  await main().catch((error: unknown) => {
    console.error(error);
    return 2;
  }),
);

async function main(): Promise<number> {
  const seed = Number(options.seed);
  const missing = await install(tell);
  if (missing.length > 0) throw new Error(`This needs ${missing.join(" and ")}.`);
  tell(`Seed ${seed}. Starting the system …`);
  const [postgres, redis, rabbit] = await Promise.all([startPostgres({ durable: false }), startRedis(), startRabbit()]);
  await addVhost(rabbit.controlPort, "fuzz");
  const env = {
    DATABASE_URL: postgres.url,
    RABBITMQ_URL: `${rabbit.url}/fuzz`,
    KEYDB_URL: redis.url,
    JWT_SECRET: randomBytes(24).toString("hex"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    MAIL_SENDER: "sandbox",
    // Nobody answers there.
    LINE_API_BASE_URL: "http://127.0.0.1:9",
    LINE_DATA_BASE_URL: "http://127.0.0.1:9",
    LINE_CHANNEL_ACCESS_TOKEN: "fuzz",
    LINE_CHANNEL_SECRET: "fuzz",
    SMTP_MAX_CONNECTIONS_PER_ADDRESS: "500",
    CRM_REQUESTS_PER_MINUTE: "0",
    CRM_SENDS_PER_MINUTE: "0",
    LOG_LEVEL: "error",
    // As in the image.
    NODE_OPTIONS: "--max-old-space-size=112",
  };
  const system = await startSystem({ env, smtp: true, within: 60_000 });
  const findings = new Findings(tell);
  const watching = watch(system, findings);
  const doors: Record<string, () => Promise<void>> = {
    http: () =>
      fuzzHttp({
        system,
        databaseUrl: postgres.url,
        secret: env.JWT_SECRET,
        random: seeded(seed),
        count: Number(options.requests),
        findings,
        tell,
      }),
    smtp: () => fuzzSmtp({ system, random: seeded(seed + 1), count: Number(options.sessions), findings, tell }),
    webhook: () =>
      fuzzWebhook({
        system,
        secret: env.LINE_CHANNEL_SECRET,
        random: seeded(seed + 3),
        count: Number(options.messages),
        findings,
        tell,
      }),
    queue: () => fuzzQueue({ url: env.RABBITMQ_URL, random: seeded(seed + 2), count: Number(options.messages), tell }),
  };
  for (const [door, fuzz] of Object.entries(doors)) if (options.only === "" || options.only === door) await fuzz();
  await stillServes(system, findings);
  const { peakMb } = await watching.stop();
  await system.stop();
  await Promise.all([postgres.close(), redis.close(), rabbit.close()]);

  if (options.json) console.log(JSON.stringify({ seed, peakMb, findings: findings.all }));
  else console.log(findings.report(`Replay: npm run fuzz -- --seed ${seed}. Memory at most ${peakMb} MB.`));
  return findings.all.length > 0 ? 1 : 0;
}

/** After all of it, a mail goes its way as ever. */
async function stillServes(system: System, findings: Findings): Promise<void> {
  try {
    const { status } = await system.settled(await system.accept(), 60_000);
    if (status !== "sent") findings.add("afterwards", `a plain mail is ${status}`);
  } catch (error) {
    findings.add("afterwards", String(error));
  }
}
