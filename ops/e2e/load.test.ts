/** Workers that follow the load: as many as mail and providers ask for, between the two bounds that an operator sets. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshVhost } from "../harness/test.ts";
import { copyProject, type Variables } from "./fn.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const load = suite("load");

type Provider = Awaited<ReturnType<typeof startProvider>>;
let provider: Provider;
let env: Variables;

load.before(async () => {
  provider = await startProvider();
  env = { SENDGRID_API_KEY: "SG.x", SENDGRID_BASE_URL: provider.url, LOG_LEVEL: "info" };
});
load.before.each(() => provider.reset());
load.after.each(stopAll);
load.after(() => provider.close());

/** Answers mail by its sender: how slowly, and whether at all. */
async function startProvider() {
  const answers = new Map<string, { status: number; ms: number }>();
  const taken: string[] = [];
  let busy = 0;
  let most = 0;
  const server = createServer(async (request, response) => {
    most = Math.max(most, ++busy);
    try {
      const mail: { from: { email: string }; custom_args: { mail_id: string } } = JSON.parse(await text(request));
      const { status, ms } = answers.get(mail.from.email) ?? { status: 202, ms: 0 };
      await pause(ms);
      if (status === 202) taken.push(mail.custom_args.mail_id);
      response.writeHead(status, { "retry-after": "1" }).end();
    } finally {
      busy--;
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    taken,
    /** Requests at once: now, and the most since it was last asked. */
    get busy() {
      return busy;
    },
    takeMost: () => [most, (most = busy)][0],
    answer: (from: string, status: number, ms: number) => void answers.set(from, { status, ms }),
    reset() {
      answers.clear();
      taken.length = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const deliver = 'function="mail/deliver"';
const limit = (system: System) => system.metric("function_calls_limit", deliver);
const waiting = (system: System) => system.metric("function_calls_waiting", deliver);
const mails = (system: System, count: number, from: string) =>
  Promise.all(Array.from({ length: count }, () => system.accept({ from })));

async function allSent(system: System, ids: readonly string[]): Promise<void> {
  for (const id of ids) assert.is((await system.settled(id, 30_000)).status, "sent");
  const copies = ids.map((id) => provider.taken.filter((taken) => taken === id).length);
  assert.equal(
    copies,
    ids.map(() => 1),
    "each once",
  );
}

load("workers grow with the backlog, give way to a provider that throttles, and other mail goes on", async () => {
  const system = await startSystem({
    env: { ...env, DATABASE_URL: await freshDatabase(), RABBITMQ_URL: await freshVhost() },
  });
  assert.is(await limit(system), 2, "idle");

  provider.answer("slow@example.com", 202, 1500);
  const slow = await mails(system, 40, "slow@example.com");
  await eventually(async () => (await limit(system)) === 10, { what: "all workers there may be", within: 2000 });
  await eventually(() => provider.busy === 10, { what: "ten mails are with the slow provider at once" });
  await allSent(system, slow);

  provider.answer("busy@example.com", 429, 200);
  const throttled = await mails(system, 30, "busy@example.com");
  await eventually(async () => (await limit(system)) === 2, { what: "only the least is left", within: 15_000 });
  const other = await mails(system, 5, "other@example.com");
  await allSent(system, other);
  assert.is(await limit(system), 2, "the provider still throttles");

  provider.answer("busy@example.com", 202, 0);
  await allSent(system, throttled);
  const states = await Promise.all(throttled.map((id) => system.status(id)));
  assert.ok(states.every(({ retry_count }) => retry_count === 0));
  const { text: metrics } = await system.call("/metrics");
  assert.match(metrics, /^mail_attempts_total\{provider="sendgrid",outcome="sent"\} 75$/m);
  assert.match(metrics, /^mail_attempts_total\{provider="sendgrid",outcome="throttled"\} \d+$/m);
  assert.not.match(metrics, /@/, "no addresses");
});

load("what is prefetched bounds what is delivered at once", async () => {
  provider.answer("slow@example.com", 202, 500);
  const system = await startSystem({
    env: { ...env, DATABASE_URL: await freshDatabase(), RABBITMQ_URL: await freshVhost(), WORKER_PREFETCH: "3" },
  });
  provider.takeMost();
  const ids = await mails(system, 12, "slow@example.com");
  await allSent(system, ids);
  assert.is(provider.takeMost(), 3);
});

for (const broker of ["RabbitMQ", "pg-boss"]) {
  const places = async () => ({
    DATABASE_URL: await freshDatabase(),
    ...(broker === "RabbitMQ" && { RABBITMQ_URL: await freshVhost() }),
  });

  load(`${broker}: a worker that is stopped while mails wait for their turn loses none, and begins none`, async () => {
    provider.answer("slow@example.com", 202, 1500);
    const system = await startSystem({
      env: { ...env, ...(await places()), WORKER_CONCURRENCY: "2", WORKER_PREFETCH: "10" },
    });
    // More workers than two are not to be had, so the prefetched rest waits.
    const ids = await mails(system, 20, "slow@example.com");
    await eventually(() => provider.busy === 2, { what: "two are with the provider" });
    await eventually(async () => (await waiting(system)) === 8, { what: "eight others wait" });
    assert.is((await system.stop()).code, 0);
    const before = provider.taken.length;
    assert.ok(before <= 4, `${before} were sent: those that were with the provider, and the two before`);
    provider.answer("slow@example.com", 202, 0);
    await system.start();
    await allSent(system, ids);
  });

  load(`${broker}: a function that is swapped while mails wait for their turn sends each once`, async () => {
    const root = await copyProject();
    const system = await startSystem({
      root,
      command: "dev",
      env: { ...env, ...(await places()), WORKER_MIN_CONCURRENCY: "2", WORKER_CONCURRENCY: "2", WORKER_PREFETCH: "10" },
    });
    provider.answer("slow@example.com", 202, 500);
    const ids = await mails(system, 20, "slow@example.com");
    const file = join(root, "functions/mail/deliver.ts");
    const code = await readFile(file, "utf8");
    for (const limitMs of ["44_000", "43_000"]) {
      await eventually(() => provider.busy === 2, { what: "two are with the provider" });
      const before = (await system.output()).stderr.length;
      await writeFile(file, code.replace("45_000", limitMs));
      await eventually(async () => (await system.output()).stderr.includes("swapped mail/deliver", before), {
        what: "it is swapped",
      });
    }
    await allSent(system, ids);
  });
}

load.run();
