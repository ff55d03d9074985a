/** An operator restarts the containers of the API one by one, while clients send. Nobody notices. */
import { randomUUID } from "node:crypto";
import { Agent } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually, freshDatabase, freshRedis, freshVhost } from "../harness/test.ts";
import type { Variables } from "./fn.ts";
import { callProxy, servedBy, startProxy, type Proxy } from "./proxy.ts";
import { listInbox, plainMail, startSystem, stopAll, type System } from "./system.ts";

const story = suite("restarts behind HAProxy");
const connections = 32;
let apis: System[] = [];
let worker: System;
let proxy: Proxy;

story.before(async () => {
  const [url, rabbit, redis] = await Promise.all([freshDatabase(), freshVhost(), freshRedis()]);
  const shared: Variables = {
    APP_ENV: "production",
    DATABASE_URL: url,
    RABBITMQ_URL: rabbit,
    KEYDB_URL: redis,
    JWT_SECRET: randomUUID(),
    MAIL_SENDER: "sandbox",
    TRUSTED_PROXIES: "127.0.0.1",
    SHUTDOWN_NOTICE_SECONDS: "3",
    LOG_LEVEL: "warn",
    // As in the image.
    NODE_OPTIONS: "--max-old-space-size=112",
  };
  const api = { ...shared, FUNCTIONS: "health,mail/send,mail/status" };
  const first = await startSystem({ env: api });
  const { token } = first;
  apis = [first, await startSystem({ env: api, token })];
  const FUNCTIONS = "health,mail/deliver,mail/publish-stranded,mail/release-expired";
  worker = await startSystem({ env: { ...shared, FUNCTIONS }, token });
  proxy = await startProxy(apis);
  await servedBy(proxy, "api", 1, 2);
});
story.after(stopAll);

interface Load {
  readonly accepted: string[];
  readonly failures: string[];
  end(): Promise<void>;
}

/** Sends mail on so many connections, one after the other on each, and repeats nothing. */
function steadyLoad(): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const accepted: string[] = [];
  const failures: string[] = [];
  let isOver = false;
  const one = async () => {
    while (!isOver) {
      const answer = await callProxy(proxy, {
        agent,
        path: "/api/v1/mail/send",
        method: "POST",
        headers: { authorization: `Bearer ${worker.token}`, "content-type": "application/json" },
        body: JSON.stringify(plainMail),
      }).catch((error: unknown) => ({ status: 0, text: String(error) }));
      if (answer.status === 200) accepted.push(JSON.parse(answer.text).mail_id);
      else failures.push(`${answer.status} ${answer.text}`);
      await pause(60);
    }
  };
  const all = Promise.all(Array.from({ length: connections }, one));
  return {
    accepted,
    failures,
    async end() {
      isOver = true;
      await all;
      agent.destroy();
    },
  };
}

story("each API in turn: no request fails, and each mail arrives once", async () => {
  const load = steadyLoad();
  await eventually(() => load.accepted.length > 200, { what: "the load is steady" });
  const steps: string[] = [];
  for (const [index, api] of apis.entries()) {
    const other = index === 0 ? 2 : 1;
    const from = performance.now();
    const stopped = api.stop();
    await servedBy(proxy, "api", other);
    const out = performance.now() - from;
    assert.ok(out < 3000, `taken out after ${out} ms, before it closes`);
    assert.equal(await stopped, { code: 0, signal: null });
    const gone = performance.now() - from;
    await api.start();
    await servedBy(proxy, "api", 1, 2);
    steps.push(
      `out ${Math.round(out)} ms, ended ${Math.round(gone)} ms, back ${Math.round(performance.now() - from)} ms`,
    );
    const before = load.accepted.length;
    await eventually(() => load.accepted.length > before + 100, { what: "both serve" });
  }
  await load.end();
  assert.equal(load.failures, []);
  assert.is(new Set(load.accepted).size, load.accepted.length);

  await eachArrivesOnce(load.accepted);
  console.log(`    ${load.accepted.length} mails; ${steps.join("; ")}`);
});

story("one API is killed: what it had in hand is lost to its client alone, and is not sent twice", async () => {
  const load = steadyLoad();
  await eventually(() => load.accepted.length > 200, { what: "the load is steady" });
  const [first] = apis;
  await first?.kill();
  await servedBy(proxy, "api", 2);
  const before = load.accepted.length;
  await eventually(() => load.accepted.length > before + 200, { what: "the other serves" });
  await load.end();
  assert.ok(load.failures.length <= connections, `${load.failures.length} failed`);
  for (const one of load.failures) assert.match(one, /^502 |socket hang up|ECONNRESET/);
  await first?.start();
  await servedBy(proxy, "api", 1, 2);
  await eachArrivesOnce(load.accepted);
});

/** Also what was accepted without its client's knowledge may be there, once. */
async function eachArrivesOnce(accepted: readonly string[]): Promise<void> {
  let arrived: string[] = [];
  const areThere = async () => {
    arrived = (await listInbox(worker.dataDir)).map((name) => name.split(".")[0] ?? "");
    const known = new Set(arrived);
    return accepted.every((id) => known.has(id));
  };
  await eventually(areThere, { what: "all are sent", within: 40_000 });
  assert.is(new Set(arrived).size, arrived.length, "none is there twice");
}

story.run();
